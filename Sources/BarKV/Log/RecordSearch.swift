/// Looking for records among bytes of any kind, at a bounded cost.
///
/// Where an earlier use of a segment left bytes of any kind, every eighth line looks like a put with a long key: checksums of all
/// of those would be a thousand times the segment. So those of long candidates that are not padded as records are come to twice
/// the segment at most.
struct RecordSearch {
  /// The longest candidate whose checksum is always looked at.
  private static var longestUndoubted: Int { 16 * lineSize }

  /// Records end here or before.
  var limit: Int
  /// What their checksums start from.
  let salt: UInt32
  /// The bytes of long candidates that were not padded as records are, and whose checksums were looked at all the same.
  private(set) var doubtedBytes = 0
  /// The most of them.
  private let doubtLimit: Int

  init(limit: Int, salt: UInt32, segmentSize: Int) {
    self.limit = limit
    self.salt = salt
    doubtLimit = Self.doubtLimit(segmentSize: segmentSize)
  }

  /// The most of ``doubtedBytes`` for all of a segment.
  static func doubtLimit(segmentSize: Int) -> Int { 2 * segmentSize }

  /// The header of the record at `offset`, if a whole one stands there.
  @inline(__always)
  mutating func record(in region: UnsafeRawBufferPointer, at offset: Int) -> Record.Header? {
    guard unsafe isWorthAChecksum(region, at: offset) else { return nil }
    return unsafe Record.validate(region, at: offset, limit: limit, salt: salt)
  }

  /// Whether the checksum of what stands at `offset` is looked at.
  @inline(__always)
  private mutating func isWorthAChecksum(_ region: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    guard let record = unsafe Record.header(region, at: offset), record.byteCount > Self.longestUndoubted,
      record.isSensible, record.byteCount <= limit - offset, unsafe !Record.isPadded(record, region, at: offset)
    else { return true }
    guard doubtedBytes + record.byteCount <= doubtLimit else { return false }
    doubtedBytes += record.byteCount
    return true
  }
}
