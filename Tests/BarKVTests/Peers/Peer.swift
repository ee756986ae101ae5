@testable import BarKV

/// A device that writes into reservations of a store in a ``Region``.
struct Peer {
  let region: Region
  let store: Store

  /// Writes the part of `bytes` that is in `part`, or all of them, to where the device was told to.
  func write(_ bytes: [UInt8], part: Range<Int>? = nil, to reservation: Reservation) throws {
    let part = part ?? 0..<bytes.count
    try store.withReservedBytes(reservation.token) { span in
      for offset in part { span.storeBytes(of: bytes[offset], toByteOffset: offset, as: UInt8.self) }
    }
    try region.observe(.dma(offset: reservation.offset + part.lowerBound, bytes: Array(bytes[part]), identifier: 1))
  }

  /// Reserves, writes, commits.
  func put(_ bytes: [UInt8], for key: String, verifying: PeerVerification = .completion) throws {
    let reservation = try store.reserve(bytes.count, for: key, alignment: 64)
    try write(bytes, to: reservation)
    try store.commit(reservation.token, verifying: verifying)
  }
}

/// CRC32C as everybody but the store's own format has it.
func publishedChecksum(_ bytes: [UInt8]) -> UInt32 {
  unsafe bytes.withUnsafeBytes { unsafe ~Checksum.of($0, seed: .max) }
}
