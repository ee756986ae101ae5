/// How far the records of a segment's use may reach: a word in the segment's last line, until a seal stands there.
///
/// What lies behind the end of an open segment is an earlier use's. To tell it from records of this use takes a checksum a line,
/// and that was most of what opening a large store cost. The word bounds it: no record of this use that was acknowledged
/// stands at the line it names, or behind it.
///
/// ```
///  last line:  0        4        8       64
///              | lines  | CRC32C | 0 …   |
/// ```
///
/// - The word is stored *before* the first record that goes beyond what it named until then, and covered by the same
///   barrier: whoever has an acknowledged record has the word. A crash before that barrier may keep such a record and lose
///   the word; the record counts for nothing then, and is erased before the segment is written again
///   (``Log/clearBehindFrontier(_:)``).
/// - It runs ahead of the records by a step or two, so that one in a thousand puts writes it.
/// - Its checksum starts from the segment's salt. A word of another use, a damaged one, or a seal in its place bounds nothing:
///   then all of the segment is read.
enum Frontier {
  /// Segments of this size and more have one: there is little to read in others.
  private static var leastSegmentSize: Int { 1 << 20 }

  /// Whether a new store keeps frontiers.
  static func isWorthIt(_ geometry: Geometry) -> Bool { geometry.segmentSize >= leastSegmentSize }

  /// How far it moves at a time, in bytes; and how far ahead of the records it stays at least.
  static func step(_ geometry: Geometry) -> Int {
    max(lineSize, min(64 << 10, geometry.segmentSize / 32 / lineSize * lineSize))
  }

  /// Where a segment's word stands.
  static func offset(_ segment: Int, _ geometry: Geometry) -> Int {
    geometry.segmentOffset(segment) + geometry.segmentSize - lineSize
  }

  /// The line with the word.
  ///
  /// - Parameter lines: no record stands there or behind, counted from the segment's start.
  static func line(_ lines: Int, salt: UInt32) -> [UInt8] {
    var line = [UInt8](repeating: 0, count: lineSize)
    unsafe line.withUnsafeMutableBytes { line in
      guard let target = line.baseAddress else { return }
      unsafe target.setLittleEndian(UInt32(truncatingIfNeeded: lines), at: 0)
      unsafe target.setLittleEndian(checksum(UInt32(truncatingIfNeeded: lines), salt: salt), at: 4)
    }
    return line
  }

  private static func checksum(_ lines: UInt32, salt: UInt32) -> UInt32 {
    Checksum.of(words: [UInt64(lines)], seed: salt)
  }

  /// The offset behind which no record of this use counts, or `nil` where nothing says so.
  ///
  /// - Parameter region: the region's bytes.
  static func read(_ region: UnsafeRawBufferPointer, segment: Int, salt: UInt32, geometry: Geometry) -> Int? {
    let place = offset(segment, geometry)
    let line = unsafe UnsafeRawBufferPointer(rebasing: region[place..<place + lineSize])
    guard let source = line.baseAddress else { return nil }
    let lines = unsafe source.littleEndian(UInt32.self, at: 0)
    guard unsafe source.littleEndian(UInt32.self, at: 4) == checksum(lines, salt: salt),
      Int(lines) * lineSize >= Geometry.segmentHeaderBytes, Int(lines) * lineSize <= geometry.segmentSize
    else { return nil }
    return geometry.segmentOffset(segment) + Int(lines) * lineSize
  }
}

extension Log {
  /// Moves the lane's frontier on before `bytes` bytes of records go beyond it.
  ///
  /// The caller stores those records next, and has one barrier for both: a crash may keep the records and lose the word only as
  /// long as nothing was acknowledged.
  @unsafe
  @inline(never)
  func moveFrontier(_ state: UnsafeMutablePointer<Lane>, bytes: Int) throws(StoreError) {
    let step = Frontier.step(geometry)
    let limit = unsafe state.pointee.limit
    unsafe precondition(bytes <= limit - state.pointee.position, "an append without room")
    let next = unsafe min(state.pointee.position + bytes + step, limit)
    // A step ahead of what the lane asks by: the word of what is written now was durable long before.
    let start = unsafe state.pointee.start
    let lines = (next == limit ? geometry.segmentSize : min(next + step - start, geometry.segmentSize)) / lineSize
    let line = unsafe Frontier.line(lines, salt: state.pointee.salt)
    let isFirst = unsafe state.pointee.position == start + Geometry.segmentHeaderBytes
    if isFirst || !Mutant.frontierStays.isActive {
      try unsafe line.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
        try unsafe medium.write(line, at: limit, site: .frontier)
      }
      unsafe state.pointee.soil(limit..<limit + lineSize)
    }
    unsafe state.pointee.frontier = next
  }

  /// Erases what stands as a record behind the frontier of a segment that an earlier owner left, so that it is none when the
  /// frontier has moved on. Does nothing where it is known to be clear.
  ///
  /// - Complexity: where a frontier bounded what opening read, a checksum a line of the rest, once after a crash; a barrier if
  ///   anything is erased.
  func clearBehindFrontier(_ partial: Space.Partial) throws(StoreError) {
    let segment = partial.segment
    let end = geometry.segmentOffset(segment) + partial.usedLines * lineSize
    let salt = unsafe segments[segment].pointee.salt
    guard !partial.isClear, superblock.hasFrontiers, !Mutant.keepsBehindFrontier.isActive,
      let frontier = unsafe Frontier.read(medium.bytes, segment: segment, salt: salt, geometry: geometry)
    else { return }
    let last = Frontier.offset(segment, geometry)
    var search = RecordSearch(limit: last, salt: salt, segmentSize: geometry.segmentSize)
    let zeros = [UInt8](repeating: 0, count: lineSize)
    var erased = false
    for position in stride(from: max(frontier, end), to: last, by: lineSize)
    where unsafe search.record(in: medium.bytes, at: position) != nil {
      try unsafe zeros.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
        try unsafe medium.write(line, at: position, site: .erasedRecord)
      }
      erased = true
    }
    // Before the next frontier: it must not be durable while one of these still is.
    if erased { try medium.barrier(max(frontier, end)..<last, site: .erasedRecord) }
  }
}
