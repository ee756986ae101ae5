/// Eight bytes of the index: 24 bits of a key's hash, and the line at which the key's newest record starts.
///
/// ```
///  63              40 39                                      0
///  | hash fragment   | line number of the record (offset / 64) |
/// ```
///
/// The fragment also chooses the bucket, so that a table grows without reading a record. Forty bits of lines reach 64 TiB.
struct IndexSlot: Equatable {
  let bits: UInt64

  /// Never used: a search ends here.
  static let empty = IndexSlot(bits: 0)
  /// Used once and free again: a search goes on. Line 1 is the superblock's, no record's.
  static let vacated = IndexSlot(bits: 1)

  static let lineBits: UInt64 = 40
  static let fragmentBits: UInt64 = 24
  private static let lineMask: UInt64 = (1 << lineBits) - 1

  @inline(__always)
  init(bits: UInt64) {
    self.bits = bits
  }

  @inline(__always)
  init(fragment: UInt64, line: Int) {
    assert(fragment >> Self.fragmentBits == 0 && line > 1 && UInt64(line) <= Self.lineMask)
    bits = fragment << Self.lineBits | UInt64(truncatingIfNeeded: line)
  }

  @inline(__always)
  var fragment: UInt64 { bits >> Self.lineBits }
  @inline(__always)
  var line: Int { Int(truncatingIfNeeded: bits & Self.lineMask) }
  /// Whether the slot names a record.
  @inline(__always)
  var isOccupied: Bool { bits > 1 }
}
