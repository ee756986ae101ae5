/// Reads everything that is stored and compares it with its checksums, and the index with the log.
///
/// Runs beside readers and writers: it looks at what was durable when it came by.
struct Verifier {
  private let store: Store
  private let log: Log
  private let geometry: Geometry
  private var report = VerifyReport()

  init(_ store: Store) {
    self.store = store
    log = store.log
    geometry = store.superblock.geometry
  }

  /// Checks metadata, then segment by segment the log, then every live entry.
  mutating func run(progress: ((_ done: Int, _ total: Int) -> Void)?) throws(StoreError) -> VerifyReport {
    checkMetadata()
    let total = geometry.segmentCount + store.index.partitionCount
    for segment in 0..<geometry.segmentCount {
      try reading { $0.checkSegment(segment) }
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

  private mutating func note(_ kind: Damage.Kind, _ offset: Int, _ length: Int, _ detail: String) {
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
    let region = unsafe store.medium.bytes
    let start = geometry.segmentOffset(segment)
    let end = start + log.segments.used(segment) * lineSize
    let salt = unsafe log.segments[segment].pointee.salt
    let base = unsafe log.segments[segment].pointee.baseSequence
    var position = start + Geometry.segmentHeaderBytes
    var gapStart: Int?
    var isSealed = false
    report.bytes += UInt64(end - start)
    while position < end, !isSealed {
      guard let record = unsafe Record.validate(region, at: position, limit: end, salt: salt) else {
        if !Mutant.verifySkipsGaps.isActive { gapStart = gapStart ?? position }
        position += lineSize
        continue
      }
      if let from = gapStart { note(.record, from, position - from, "no valid record stands here") }
      gapStart = nil
      report.recordCount += 1
      isSealed = record.kind == .seal
      if record.kind == .put || record.kind == .putExtent {
        checkIndexed(at: position, sequence: base &+ UInt64(record.delta))
      }
      position += record.lines * lineSize
    }
    if let from = gapStart { note(.record, from, end - from, "no valid record stands here, nor a seal") }
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

  /// Checks that the index does not name an older record of the key.
  private mutating func checkIndexed(at offset: Int, sequence: UInt64) {
    guard let key = unsafe log.key(ofRecordAtLine: offset / lineSize) else { return }
    let place = unsafe store.index.place(log.hash(key))
    let matches: (Int) -> Bool = { [log] line in unsafe log.record(atLine: line, hasKey: key) }
    func isOlder(_ line: Int?) -> Bool {
      guard let line, let found = log.sequence(ofRecordAt: line * lineSize) else { return false }
      return found < sequence
    }
    guard isOlder(store.index.find(place, matches: matches)) else { return }
    // The record may be durable and not yet published: its writer holds the partition until it is.
    let lock = store.index.lock(place.partition)
    lock.lock()
    defer { lock.unlock() }
    if isOlder(store.index.find(place, matches: matches)) {
      note(.index, offset, lineSize, "the index names an older record of this key")
    }
  }

  // MARK: The index

  private mutating func checkEntries(_ partition: Int) {
    let region = unsafe store.medium.bytes
    for line in store.index.snapshot(partition) {
      let offset = line * lineSize
      guard let key = unsafe log.key(ofRecordAtLine: line), let header = unsafe Record.header(region, at: offset),
        unsafe store.index.place(log.hash(key)).partition == partition
      else {
        note(.index, offset, lineSize, "the index names a place where no record of the key stands")
        continue
      }
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
