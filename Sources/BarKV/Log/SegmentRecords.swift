/// The valid records of a log segment in their order; lines at which none begins are passed over.
///
/// Nobody may give the segment to another use meanwhile.
struct SegmentRecords: Sequence, IteratorProtocol {
  private let log: Log
  private let salt: UInt32
  private let limit: Int
  private var position: Int

  /// - Parameter lines: how much of the segment is looked at, from its start.
  init(_ log: Log, segment: Int, lines: Int) {
    self.log = log
    let start = log.geometry.segmentOffset(segment)
    salt = unsafe log.segments[segment].pointee.salt
    limit = start + Swift.min(lines * lineSize, log.geometry.segmentSize)
    position = start + Geometry.segmentHeaderBytes
  }

  mutating func next() -> (line: Int, header: Record.Header)? {
    while position < limit {
      guard let header = unsafe Record.validate(log.medium.bytes, at: position, limit: limit, salt: salt) else {
        position += lineSize
        continue
      }
      defer { position += header.lines * lineSize }
      return (position / lineSize, header)
    }
    return nil
  }
}
