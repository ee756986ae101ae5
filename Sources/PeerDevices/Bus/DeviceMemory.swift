import BarKV

/// Memory behind a BAR that holds a driver's queues: where a device can fetch its commands and leave its answers without
/// system memory having a bus address.
///
/// The memory must be nobody's: one that does not begin with zeros, nor with the mark that this type leaves, is refused.
@safe
public final class DeviceMemory {
  let window: BarWindow
  /// The first byte that is not given out.
  private var end = pageBytes
  /// What the processor has moved through this memory: what a driver stores and loads there.
  public private(set) var storedBytes = 0
  /// The bytes that the processor has loaded from this memory.
  public private(set) var loadedBytes = 0

  /// The size of a page, which is a device's, too.
  static let pageBytes = 4096
  /// "BarKVqm1": what the first word of memory in use by this type says.
  private static let mark: UInt64 = 0x316D_7156_4B72_6142

  /// Takes the memory of a BAR.
  ///
  /// - Throws: what ``PeerFunction/take(_:unbindingDriver:sysfs:)`` throws; ``PeerError/busy(_:)``;
  ///   ``PeerError/unusable(_:reason:remedy:)`` where it holds something.
  public init(function: PCIAddress, bar index: Int, sysfs: String = "/sys") throws(PeerError) {
    let taken = try PeerFunction.take(function, unbindingDriver: false, sysfs: sysfs)
    let bar = try taken.bar(index)
    guard bar.isPrefetchable, bar.use == .unknown, bar.size >= UInt64(4 * Self.pageBytes) else {
      throw .unusable(
        "\(function)/\(index)", reason: "it is no plain memory of at least four pages", remedy: "name another BAR")
    }
    window = try BarWindow(bar, of: function)
    let first = window.load64(0)
    let rest = (1..<8).map { window.load64($0 * 8) }
    guard first == Self.mark || (first == 0 && rest.allSatisfy { $0 == 0 }) else {
      throw .unusable(
        window.name, reason: "it holds something that is not this driver's",
        remedy: "name a BAR whose first 64 bytes are zero")
    }
    window.store64(Self.mark, at: 0)
    guard window.readBack(0) == Self.mark else {
      throw .unusable(window.name, reason: "it does not keep what is stored there", remedy: nil)
    }
  }

  /// Gives out `count` bytes from the start of a page on, all zero.
  ///
  /// - Throws: ``PeerError/unusable(_:reason:remedy:)`` where that many are not left.
  func allocate(_ count: Int) throws(PeerError) -> Piece {
    let rounded = (count + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
    guard count > 0, rounded <= window.length - end else {
      throw .unusable(
        window.name, reason: "it has \(window.length) bytes, too few for the queues", remedy: "name a larger BAR")
    }
    let piece = Piece(memory: self, offset: end, length: rounded)
    end += rounded
    piece.clear()
    return piece
  }

  /// A part of the memory.
  struct Piece {
    fileprivate let memory: DeviceMemory
    fileprivate let offset: Int
    let length: Int

    /// The bus address of its first byte.
    var busAddress: UInt64 { memory.window.busAddress + UInt64(offset) }

    func load32(_ at: Int) -> UInt32 {
      memory.loadedBytes += 4
      return memory.window.load32(checked(at, 4))
    }

    func load64(_ at: Int) -> UInt64 {
      memory.loadedBytes += 8
      return memory.window.load64(checked(at, 8))
    }

    func store64(_ value: UInt64, at place: Int) {
      memory.storedBytes += 8
      memory.window.store64(value, at: checked(place, 8))
    }

    /// Waits until what was stored to this memory has arrived there: a doorbell in another device could be heard before.
    func arrive() {
      memory.window.readBack(offset)
    }

    func clear() {
      for at in stride(from: 0, to: length, by: 8) { store64(0, at: at) }
      arrive()
    }

    private func checked(_ at: Int, _ bytes: Int) -> Int {
      precondition(at >= 0 && at <= length - bytes, "outside the piece")
      return offset + at
    }
  }
}
