/// A piece of device memory that a device puts data into for the processor to copy: the way round a store's place, with the
/// copy that the direct way saves. It exists to be compared with.
public struct StagingArea {
  private let piece: DeviceMemory.Piece

  /// Where devices find it.
  public let range: BusRange

  /// Takes `count` bytes of `memory`.
  ///
  /// - Throws: ``PeerError/unusable(_:reason:remedy:)`` where that many are not left.
  public init(_ count: Int, in memory: DeviceMemory) throws(PeerError) {
    piece = try memory.allocate(count)
    guard let range = BusRange(start: piece.busAddress, length: count) else {
      throw .invalidRequest("\(count) bytes are no staging area")
    }
    self.range = range
  }

  /// Copies the first `count` bytes out, at most as many as there are; ``DeviceMemory/loadedBytes`` counts them.
  public func copy(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    let count = max(0, min(count, range.length))
    bytes.reserveCapacity(count + 8)
    for at in stride(from: 0, to: count, by: 8) {
      let word = piece.load64(at)
      for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
