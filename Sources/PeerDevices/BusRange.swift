/// A range of bus addresses: what a device is told to read or to write.
public struct BusRange: Sendable, Hashable {
  /// The first address.
  public var start: UInt64
  /// The number of bytes.
  public var length: Int

  /// The range of `length` bytes from `start` on; `nil` where it has no bytes or does not fit 64 bits.
  public init?(start: UInt64, length: Int) {
    guard length > 0, !start.addingReportingOverflow(UInt64(length)).overflow else { return nil }
    self.start = start
    self.length = length
  }

  /// For a part of a range that is valid.
  private init(unchecked start: UInt64, _ length: Int) {
    self.start = start
    self.length = length
  }

  /// The part of this range from `offset` on, at most `limit` bytes; `nil` where nothing is left.
  func part(from offset: Int, atMost limit: Int) -> BusRange? {
    guard offset >= 0, offset < length, limit > 0 else { return nil }
    return BusRange(unchecked: start + UInt64(offset), min(limit, length - offset))
  }
}

extension [BusRange] {
  /// The bytes of all ranges; `nil` where that is no number.
  var byteCount: Int? {
    var total = 0
    for range in self {
      let (sum, overflow) = total.addingReportingOverflow(range.length)
      if overflow { return nil }
      total = sum
    }
    return total
  }

  /// The ranges that hold the bytes from `offset` on, at most `limit` of them.
  func part(from offset: Int, atMost limit: Int) -> [BusRange] {
    var result: [BusRange] = []
    var skipped = offset
    var wanted = limit
    for range in self {
      if let part = range.part(from: skipped, atMost: wanted) {
        result.append(part)
        wanted -= part.length
        skipped = 0
        if wanted == 0 { break }
      } else {
        skipped -= range.length
      }
    }
    return result
  }
}
