/// What one log segment holds: the result of reading it once, front to back, before anything is decided about it.
struct SegmentScan: Sendable {
  /// A valid record that says something about a key. In 24 bytes: there are a hundred thousand of them, and the first touch
  /// of memory is a good part of what opening costs.
  struct Entry: Sendable {
    /// The key's hash.
    let hash: UInt64
    let sequence: UInt64
    /// The record's offset in the region, whole lines; in the bits below, what kind it is of.
    private let word: Int

    init(offset: Int, hash: UInt64, sequence: UInt64, isExtent: Bool, isDelete: Bool) {
      assert(offset % lineSize == 0)
      self.hash = hash
      self.sequence = sequence
      word = offset | (isExtent ? 1 : 0) | (isDelete ? 2 : 0)
    }

    /// The record's offset in the region.
    var offset: Int { word & -lineSize }
    /// Whether the record refers to an extent.
    var isExtent: Bool { word & 1 != 0 }
    /// Whether it takes the key out.
    var isDelete: Bool { word & 2 != 0 }
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
  /// Where the scan began: behind the headers, or where the tail begins.
  let start: Int
  var entries: [Entry] = []
  var fragments: [Fragment] = []
  var reservations: [Reservation] = []
  /// Stretches without a valid record, with a valid one behind each.
  var gaps: [Range<Int>] = []
  /// Where whole records stand that are none, since an earlier one has a higher number: they would be if that were dropped.
  private(set) var hidden: [Int] = []
  /// The offset of the last record that says that all before it was durable; -1 without one.
  var lastSettled = -1
  /// The highest sequence number that a record here has, or the segment's base: none that is appended may be lower.
  private(set) var highestSequence: UInt64
  /// The offset of the seal, where there is one.
  var sealOffset: Int?
  /// The end of the last valid record.
  var tail: Int
  /// Whether something other than zeros stands at the tail, where no seal does: a torn record, or an earlier use's.
  var hasBytesAtTail = false
  /// Whether a frontier said that nothing counts from some line on, and what stands there was not read.
  let isBounded: Bool
  /// What the scan cost: see ``RecordSearch/doubtedBytes``.
  private(set) var doubtedBytes = 0
  /// How many valid records there are, batch headers and the seal included.
  var recordCount = 0

  /// Reads the segment. It may hold anything: whatever does not validate is a gap.
  ///
  /// - Parameters:
  ///   - from: where to begin; what stands before it was durable.
  ///   - atLeast: no record that counts has a lower number.
  /// - Complexity: the segment's size, or what its ``Frontier`` leaves of it; each line is the start of at most one checksum: see
  ///   ``RecordSearch``.
  init(
    _ header: SegmentHeader, from: Int, atLeast sequence: UInt64, region: UnsafeRawBufferPointer,
    superblock: Superblock, hash: (UnsafeRawBufferPointer) -> UInt64
  ) {
    self.header = header
    start = from
    let geometry = superblock.geometry
    let end = geometry.segmentOffset(header.segment) + geometry.segmentSize
    let salt = header.salt(seed: superblock.seed)
    var position = from
    var gapStart: Int?
    highestSequence = sequence
    tail = position
    let frontier =
      superblock.hasFrontiers
      ? unsafe Frontier.read(region, segment: header.segment, salt: salt, geometry: geometry) : nil
    // No record of this use counts from here on.
    let stop = max(from, frontier ?? end)
    isBounded = stop < end
    var search = RecordSearch(limit: stop, salt: salt, segmentSize: geometry.segmentSize)
    // Memory that is not touched costs nothing; growing step by step would touch it twice.
    entries.reserveCapacity(min((stop - from) / lineSize, 1 << 16))
    while position < stop {
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
      unsafe take(record, at: position, region: region, hash: hash)
      position += record.lines * lineSize
      tail = position
      if record.kind == .seal { break }
    }
    doubtedBytes = search.doubtedBytes
    // The frontier itself is nothing torn.
    if sealOffset == nil, tail < (frontier == nil ? end : end - lineSize) {
      hasBytesAtTail = unsafe region[tail..<tail + lineSize].contains { $0 != 0 }
    }
  }

  private mutating func take(
    _ record: Record.Header, at offset: Int, region: UnsafeRawBufferPointer, hash: (UnsafeRawBufferPointer) -> UInt64
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
          offset: offset, hash: unsafe hash(key), sequence: sequence, isExtent: record.kind == .putExtent,
          isDelete: record.kind == .delete))
      if let last = fragments.indices.last {
        let content = fragments[last].content
        let first = content.sequence &+ UInt64(content.first)
        if sequence >= first, sequence &- first < UInt64(content.count) { fragments[last].found += 1 }
      }
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
