/// What one log segment holds: the result of reading it once, front to back, before anything is decided about it.
struct SegmentScan: Sendable {
  /// A valid record that says something about a key. In 12 bytes: there are hundreds of thousands of them, and the first touch
  /// of memory is a good part of what opening costs.
  ///
  /// ```
  ///  delta 32 | the hash's upper 32 | its next 8, line in the segment 23, delete 1
  /// ```
  struct Entry: Sendable {
    private let delta: UInt32
    private let hashStart: UInt32
    private let word: UInt32

    init(line: Int, hash: UInt64, delta: UInt32, isDelete: Bool) {
      assert(line >= 0 && line < 1 << 23)
      self.delta = delta
      hashStart = UInt32(truncatingIfNeeded: hash >> 32)
      word = UInt32(truncatingIfNeeded: hash) & 0xFF00_0000 | UInt32(truncatingIfNeeded: line) << 1 | (isDelete ? 1 : 0)
    }

    /// How much of the hash is kept: all that the index looks at.
    static let hashBits: UInt64 = 40

    /// The upper 40 bits of the key's hash, and zeros.
    var hash: UInt64 { UInt64(hashStart) << 32 | UInt64(word & 0xFF00_0000) }
    /// At which line of the segment the record stands.
    var line: Int { Int(word >> 1 & 0x7F_FFFF) }
    /// Whether the record takes the key out.
    var isDelete: Bool { word & 1 != 0 }
    /// The record's sequence number, in a segment with that base.
    func sequence(base: UInt64) -> UInt64 { base &+ UInt64(delta) }
  }

  /// A record of a reservation.
  struct Reservation: Sendable {
    var offset: Int
    var lines: Int
    var sequence: UInt64
    var key: [UInt8]
    var content: ReservationRecord
  }

  /// A batch's part in this segment.
  struct Fragment: Sendable {
    var offset: Int
    var content: BatchFragment
    /// How many of its records are valid.
    var found = 0
    var isWhole: Bool { found == content.count }
  }

  var header: SegmentHeader
  /// Where the segment begins in the region.
  let segmentOffset: Int
  /// Where the scan began: behind the headers, or where the tail begins.
  let start: Int
  /// The entries, in the parts in which they were read: see ``joined(_:segmentSize:)``. None is copied: there are many.
  var entryParts: [[Entry]] = [[]]
  /// Where records stand that refer to extents.
  var extentRecords: [Int] = []
  var fragments: [Fragment] = []
  var reservations: [Reservation] = []
  /// Stretches without a valid record, with a valid one behind each.
  var gaps: [Range<Int>] = []
  /// Where whole records stand that are none, since an earlier one has a higher number: they would be if that were dropped.
  var hidden: [Int] = []
  /// The offset of the last record that says that all before it was durable; -1 without one.
  var lastSettled = -1
  /// The highest sequence number that a record here has, or the segment's base: none that is appended may be lower.
  var highestSequence: UInt64
  /// The offset of the first record.
  private(set) var firstRecord: Int?
  /// The sequence number of the first record; the highest there is where that is a seal, which may follow any.
  private(set) var firstSequence: UInt64 = 0
  /// The offset of the seal, where there is one.
  var sealOffset: Int?
  /// The end of the last valid record.
  var tail: Int
  /// Whether something other than zeros stands at the tail, where no seal does: a torn record, or an earlier use's.
  var hasBytesAtTail = false
  /// Whether a frontier said that nothing counts from some line on, and what stands there was not read.
  let isBounded: Bool
  /// What the scan cost: see ``RecordSearch/doubtedBytes``.
  var doubtedBytes = 0
  /// How many valid records there are, batch headers and the seal included.
  var recordCount = 0

  /// Reads the segment. It may hold anything: whatever does not validate is a gap.
  ///
  /// - Parameters:
  ///   - from: where to begin; what stands before it was durable, or is another part's.
  ///   - until: records that begin here or behind are another part's.
  ///   - atLeast: no record that counts has a lower number.
  /// - Complexity: the segment's size, or what its ``Frontier`` leaves of it; each line is the start of at most one checksum: see
  ///   ``RecordSearch``.
  init(
    _ header: SegmentHeader, from: Int, until: Int = .max, atLeast sequence: UInt64, region: UnsafeRawBufferPointer,
    superblock: Superblock, hash: (UnsafeRawBufferPointer) -> UInt64
  ) {
    self.header = header
    start = from
    let geometry = superblock.geometry
    segmentOffset = geometry.segmentOffset(header.segment)
    let end = segmentOffset + geometry.segmentSize
    let salt = header.salt(seed: superblock.seed)
    var position = from
    var gapStart: Int?
    highestSequence = sequence
    tail = position
    let frontier = unsafe Self.frontier(header, region: region, superblock: superblock)
    // No record of this use counts from here on.
    let stop = max(from, frontier ?? end)
    isBounded = stop < end
    let until = min(stop, until)
    var search = RecordSearch(limit: stop, salt: salt, segmentSize: geometry.segmentSize)
    // Memory that is not touched costs nothing; growing step by step would touch it twice.
    var entries: [Entry] = []
    entries.reserveCapacity(max(0, min((until - from) / lineSize, 1 << 16)))
    while position < until {
      // Records end before the seal's line. Their sequence rises: an owner after a crash starts beyond all that was in
      // flight, so that a record which that crash tore, and a later write happens to complete, is still none.
      search.limit = stop < end || end - position <= lineSize ? stop : end - lineSize
      let found = unsafe search.record(in: region, at: position)
      guard let record = found,
        record.kind == .seal
          || (position + lineSize < end
            && (header.baseSequence &+ UInt64(record.delta) >= highestSequence || Mutant.sequenceMayFall.isActive))
      else {
        if found != nil { hidden.append(position) }
        gapStart = gapStart ?? position
        position += lineSize
        continue
      }
      highestSequence = max(highestSequence, header.baseSequence &+ UInt64(record.delta))
      if let from = gapStart {
        gaps.append(from..<position)
        gapStart = nil
      }
      recordCount += 1
      if record.isSettled { lastSettled = position }
      if firstRecord == nil {
        firstRecord = position
        firstSequence = record.kind == .seal ? .max : header.baseSequence &+ UInt64(record.delta)
      }
      unsafe take(record, at: position, region: region, hash: hash, into: &entries)
      position += record.lines * lineSize
      tail = position
      if record.kind == .seal { break }
    }
    entryParts = [entries]
    doubtedBytes = search.doubtedBytes
    // The frontier itself is nothing torn.
    if sealOffset == nil, tail < (frontier == nil ? end : end - lineSize) {
      hasBytesAtTail = unsafe region[tail..<tail + lineSize].contains { $0 != 0 }
    }
  }

  /// What is to be read of a segment from `from` on: up to its ``Frontier``, or all of it.
  static func range(
    _ header: SegmentHeader, from: Int, region: UnsafeRawBufferPointer, superblock: Superblock
  ) -> Range<Int> {
    let geometry = superblock.geometry
    let end = geometry.segmentOffset(header.segment) + geometry.segmentSize
    return from..<max(from, unsafe frontier(header, region: region, superblock: superblock) ?? end)
  }

  private static func frontier(
    _ header: SegmentHeader, region: UnsafeRawBufferPointer, superblock: Superblock
  ) -> Int? {
    guard superblock.hasFrontiers else { return nil }
    return unsafe Frontier.read(
      region, segment: header.segment, salt: header.salt(seed: superblock.seed), geometry: superblock.geometry)
  }

  /// Where an entry's record stands in the region.
  func offset(of entry: Entry) -> Int { segmentOffset + entry.line * lineSize }

  private mutating func take(
    _ record: Record.Header, at offset: Int, region: UnsafeRawBufferPointer, hash: (UnsafeRawBufferPointer) -> UInt64,
    into entries: inout [Entry]
  ) {
    let sequence = header.baseSequence &+ UInt64(record.delta)
    let body = offset + Record.headerBytes
    switch record.kind {
    case .seal:
      sealOffset = offset
    case .batch:
      // A header that makes no sense behind a right checksum counts as a batch that can never be whole.
      let content =
        unsafe BatchFragment(region.baseAddress! + body)
        ?? BatchFragment(sequence: sequence, total: Int(UInt32.max), first: 0, count: Int(UInt32.max))
      fragments.append(Fragment(offset: offset, content: content))
    case .reservation:
      if let found = unsafe Reservation(record, at: offset, sequence: sequence, region: region) {
        reservations.append(found)
      }
    case .put, .putExtent, .delete:
      let key = unsafe UnsafeRawBufferPointer(rebasing: region[body..<body + record.keyLength])
      entries.append(
        Entry(
          line: (offset - segmentOffset) / lineSize, hash: unsafe hash(key), delta: record.delta,
          isDelete: record.kind == .delete))
      if record.kind == .putExtent { extentRecords.append(offset) }
      if let last = fragments.indices.last, fragments[last].content.covers(sequence) { fragments[last].found += 1 }
    }
  }
}

extension SegmentScan.Reservation {
  /// The reservation's record at `offset`, which has validated; `nil` where its content makes no sense.
  @unsafe
  init?(_ record: Record.Header, at offset: Int, sequence: UInt64, region: UnsafeRawBufferPointer) {
    let body = offset + Record.headerBytes
    guard let base = region.baseAddress, record.kind == .reservation,
      let content = unsafe ReservationRecord(base + body + record.keyLength),
      (record.keyLength > 0) == (content.state == .reserved)
    else { return nil }
    self.offset = offset
    lines = record.lines
    self.sequence = sequence
    unsafe key = Array(region[body..<body + record.keyLength])
    self.content = content
  }
}
