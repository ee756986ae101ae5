/// Reads everything that is stored and compares it with its checksums, and the index with the log.
///
/// Runs beside readers and writers: it looks at what was durable when it came by.
struct Verifier {
  let store: Store
  let log: Log
  let geometry: Geometry
  private(set) var report = VerifyReport()
  /// Whether it is known what lives: the log's tail was looked up.
  private var isResolved = false
  /// Blocks of runs that were found damaged.
  private var damagedBlocks: Set<Int> = []

  init(_ store: Store) {
    self.store = store
    log = store.log
    geometry = store.superblock.geometry
  }

  /// Checks metadata, then segment by segment the log, then every live entry.
  mutating func run(progress: ((_ done: Int, _ total: Int) -> Void)?) throws(StoreError) -> VerifyReport {
    store.maintenance.turn.withLock { _ in checkMetadata() }
    isResolved = try store.holdingOpen { () throws(StoreError) in store.loader.resolveTail() }
    try reading { $0.checkRuns() }
    let total = geometry.segmentCount + store.index.partitionCount
    for segment in 0..<geometry.segmentCount {
      // With the turn: nothing is set free meanwhile, which is found by looking at the segment and not by the index.
      try store.maintenance.turn.withLock { _ throws(StoreError) in try reading { $0.checkSegment(segment) } }
      progress?(segment + 1, total)
    }
    for partition in 0..<store.index.partitionCount {
      try reading { $0.checkEntries(partition) }
      progress?(geometry.segmentCount + partition + 1, total)
    }
    return report
  }

  /// Runs `body` as a read, so that nothing it looks at is reused under it.
  private mutating func reading(_ body: (inout Verifier) -> Void) throws(StoreError) {
    store.epochs.enter()
    defer { store.epochs.leave() }
    try store.lifecycle.check()
    body(&self)
    // Poisoned memory shows as damage; a region that is gone is no report.
    if !store.medium.isWhole { try store.checkPresence() }
  }

  mutating func note(_ kind: Damage.Kind, _ offset: Int, _ length: Int, _ detail: String) {
    report.damageCount += 1
    if report.damage.count < Recovery.damageListLimit {
      report.damage.append(Damage(kind: kind, offset: UInt64(offset), length: UInt64(length), detail: detail))
    }
  }

  // MARK: Metadata

  private mutating func checkMetadata() {
    let region = unsafe store.medium.bytes
    for copy in 0..<2 {
      let offset = geometry.superblockOffset(copy)
      let expected = store.superblock.encoded()
      if Mutant.verifySkipsSuperblock.isActive { continue }
      if unsafe !region[offset..<offset + expected.count].elementsEqual(expected) {
        note(.superblock, offset, expected.count, "this copy of the superblock is not valid")
      }
    }
    report.bytes += UInt64(2 * Superblock.encodedBytes)
    // A crash during a commit leaves one area torn until the next owner writes it: under an owner both are whole.
    guard store.access == .readWrite, !Mutant.verifySkipsManifest.isActive else { return }
    for area in unsafe Manifest.read(from: region, superblock: store.superblock).invalidAreas {
      note(
        .manifest, geometry.manifestOffset(area), geometry.metadataStride, "this manifest area is not valid")
    }
  }

  // MARK: The log

  private mutating func checkSegment(_ segment: Int) {
    guard log.segments.kind(segment) != .free else { return }
    checkHeader(segment)
    guard log.segments.kind(segment) == .log else { return }
    let start = geometry.segmentOffset(segment)
    let used = log.segments.used(segment)
    let end = start + used * lineSize
    // Where nothing lives any more, nothing can be damaged: it may wait to be used again, without a seal.
    if log.segments.dead(segment) == used - Geometry.segmentHeaderBytes / lineSize { return }
    var standing: [StandingRecord] = []
    let isWhole = read(segment, from: start + Geometry.segmentHeaderBytes, to: end, into: &standing)
    if isResolved { checkNames(ofSegment: segment, &standing, end: end, isWhole: isWhole) }
  }

  /// Checks the records from one offset to another, and collects those that give a key a value.
  ///
  /// - Returns: whether nothing but valid records stands there.
  mutating func read(_ segment: Int, from: Int, to end: Int, into standing: inout [StandingRecord]) -> Bool {
    let region = unsafe store.medium.bytes
    let salt = unsafe log.segments[segment].pointee.salt
    let base = unsafe log.segments[segment].pointee.baseSequence
    var position = from
    var gapStart: Int?
    var isWhole = true
    var isSealed = false
    report.bytes += UInt64(max(0, end - from))
    while position < end, !isSealed {
      guard let record = unsafe Record.validate(region, at: position, limit: end, salt: salt) else {
        if !Mutant.verifySkipsGaps.isActive { gapStart = gapStart ?? position }
        isWhole = false
        position += lineSize
        continue
      }
      if let from = gapStart { note(.record, from, position - from, "no valid record stands here") }
      gapStart = nil
      report.recordCount += 1
      isSealed = record.kind == .seal
      if record.kind == .put || record.kind == .putExtent,
        let key = unsafe log.key(ofRecordAtLine: position / lineSize)
      {
        standing.append(
          unsafe StandingRecord(
            place: store.index.place(log.hash(key)), line: position / lineSize, lines: record.lines,
            sequence: base &+ UInt64(record.delta)))
      }
      position += record.lines * lineSize
    }
    if let from = gapStart { note(.record, from, end - from, "no valid record stands here, nor a seal") }
    return isWhole
  }

  private mutating func checkHeader(_ segment: Int) {
    if Mutant.verifySkipsHeader.isActive { return }
    let offset = geometry.segmentOffset(segment)
    switch unsafe SegmentHeader.read(from: store.medium.bytes, segment: segment, superblock: store.superblock) {
    case .none:
      note(.segmentHeader, offset, Geometry.segmentHeaderBytes, "both copies of the segment's header are damaged")
    case .valid(_, let copy?):
      note(.segmentHeader, offset + copy * lineSize, lineSize, "this copy of the segment's header is damaged")
    case .valid(_, nil):
      break
    }
  }

  // MARK: The index

  /// Checks the runs block by block: what of them is in memory already is not read from them again.
  private mutating func checkRuns() {
    let runs = store.loader.runs
    for run in runs.base + runs.deltas {
      report.bytes += UInt64(run.byteCount)
      for offset in unsafe run.damagedBlocks(store.medium.bytes) { noteBlock(offset) }
    }
  }

  /// Each block once, though several parts of the index may need it.
  private mutating func noteBlock(_ offset: Int) {
    guard damagedBlocks.insert(offset).inserted else { return }
    note(.index, offset, RunBlock.byteCount, "a block of a run does not match its checksum")
  }

  private mutating func checkEntries(_ partition: Int) {
    let region = unsafe store.medium.bytes
    let lines: [Int]
    do throws(StoreError) {
      lines = try store.lines(of: partition)
    } catch {
      if case .damagedIndex(let offset) = error {
        // Offset 0 stands for a part of the tail that could not be looked up, for want of a block that is listed.
        if offset > 0 { noteBlock(Int(offset)) }
      }
      return
    }
    var suspects: [(line: Int, place: Index.Place)] = []
    for line in lines {
      let offset = line * lineSize
      guard let key = unsafe log.key(ofRecordAtLine: line), let header = unsafe Record.header(region, at: offset),
        unsafe store.index.place(log.hash(key)).partition == partition
      else {
        note(.index, offset, lineSize, "the index names a place where no record of the key stands")
        continue
      }
      let place = unsafe store.index.place(log.hash(key))
      if unsafe !finds(key, place, line: line) { suspects.append((line, place)) }
      guard header.kind == .putExtent else { continue }
      guard let reference = log.extentReference(ofRecordAtLine: line), let value = unsafe log.extent(reference) else {
        note(.extent, offset, header.byteCount, "the record's extent is not there")
        continue
      }
      let salt = unsafe log.segments[geometry.segment(at: reference.offset)].pointee.salt
      report.bytes += UInt64(reference.length)
      if unsafe Checksum.of(value, seed: salt) == reference.checksum || Mutant.verifySkipsExtent.isActive {
        report.extentCount += 1
      } else {
        note(.extent, reference.offset, reference.length, "the value does not match its checksum")
      }
    }
    check(suspects, partition)
  }

  /// Whether a search for the key finds this record.
  private func finds(_ key: UnsafeRawBufferPointer, _ place: Index.Place, line: Int) -> Bool {
    guard case .record(line) = store.index.find(place, matches: { [log] in unsafe log.record(atLine: $0, hasKey: key) })
    else { return false }
    return true
  }

  /// Looks again at slots that no search found, while nobody changes the partition.
  private mutating func check(_ suspects: [(line: Int, place: Index.Place)], _ partition: Int) {
    guard !suspects.isEmpty else { return }
    let lock = store.index.lock(partition)
    lock.lock()
    defer { lock.unlock() }
    // Not in memory any more: it is filled from what was checked.
    guard let lines = store.index.snapshot(partition).map(Set.init) else { return }
    for suspect in suspects where lines.contains(suspect.line) {
      guard let key = unsafe log.key(ofRecordAtLine: suspect.line),
        unsafe !finds(key, suspect.place, line: suspect.line)
      else { continue }
      note(
        .index, suspect.line * lineSize, lineSize,
        "the index names this record where no search for its key finds it, or names another one of the key, too")
    }
  }
}

extension Store {
  /// Reads every record, every extent and all metadata, and compares each with its checksum, and the index with the log.
  ///
  /// Runs beside readers and writers. Nothing is changed.
  ///
  /// - Parameter progress: called now and then with the share that is done.
  /// - Throws: what every call throws; damage is no error, it is in the report.
  /// - Complexity: reads all that is stored; no barrier. A writer may wait for a moment where the index looks wrong.
  public func verify(progress: ((_ done: Int, _ total: Int) -> Void)? = nil) throws(StoreError) -> VerifyReport {
    try holdingOpen { () throws(StoreError) in
      try poisoning { () throws(StoreError) in try medium.checkSize() }
      medium.dropMirror()
    }
    var verifier = Verifier(self)
    return try verifier.run(progress: progress)
  }
}
