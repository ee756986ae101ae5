@testable import BarKV

/// What a device was told to write, and what of it is still to come.
struct PeerTransfer: Sendable {
  let token: ReservationToken
  let key: Int
  let offset: Int
  let bytes: [UInt8]
  /// The pieces that have not arrived yet, in the order in which they will: parts of the value that start on a unit.
  var remaining: [Range<Int>]
  /// All of them.
  let pieces: [Range<Int>]
  /// Whether the last bytes come last, as one device's writes do without relaxed ordering.
  let isOrdered: Bool

  init(_ reservation: Reservation, key: Int, bytes: [UInt8], isOrdered: Bool, using generator: inout SeededGenerator) {
    token = reservation.token
    self.key = key
    offset = reservation.offset
    self.bytes = bytes
    self.isOrdered = isOrdered
    var pieces: [Range<Int>] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + 8 * Int.random(in: 1...16, using: &generator))
      pieces.append(start..<end)
      start = end
    }
    if !isOrdered { pieces.shuffle(using: &generator) }
    self.pieces = pieces
    remaining = pieces
  }

  var generation: UInt64 { token.generation }
  var isComplete: Bool { remaining.isEmpty }
}

/// A device that writes into a region by itself, beside the processor: a piece is there at once for who looks past the
/// caches, and durable only once the medium's barrier covers it. Each is independent of every other one.
final class PeerDevice {
  private let recorder: EventRecorder
  /// A piece has a writer of its own: the models keep no order between them.
  private var writer = -1
  private(set) var pieces = 0

  init(recorder: EventRecorder) {
    self.recorder = recorder
  }

  /// Has one piece of a transfer arrive.
  func deliver(_ piece: Range<Int>, of transfer: PeerTransfer, to store: Store) {
    // Whole units. What the last one has beyond the value stays as it is.
    let range = transfer.offset + piece.lowerBound..<roundUp(transfer.offset + piece.upperBound, to: 8)
    let memory = unsafe store.medium.memoryForPeer(range)
    var bytes = unsafe Array(memory)
    bytes.replaceSubrange(0..<piece.count, with: transfer.bytes[piece])
    writer -= 1
    pieces += 1
    recorder.append(
      .medium(.dma(offset: range.lowerBound, bytes: bytes, identifier: transfer.generation), thread: writer))
    unsafe memory.copyBytes(from: bytes)
  }

  /// Has all that is left of a transfer arrive.
  func finish(_ transfer: inout PeerTransfer, to store: Store) {
    while !transfer.remaining.isEmpty { deliver(transfer.remaining.removeFirst(), of: transfer, to: store) }
    recorder.append(.medium(.dmaDone(identifier: transfer.generation), thread: writer))
  }
}

/// CRC32C as a peer computes it.
func peerChecksum(_ bytes: [UInt8]) -> UInt32 {
  unsafe bytes.withUnsafeBytes { unsafe ~Checksum.of($0, seed: .max) }
}
