/// Copies what can be read of a damaged store to a new one.
///
/// The index says which record of a key counts; a record counts only if its checksum, and its extent's, is right. Where a
/// part of the index cannot be trusted, the newest record of each of its keys is looked for in the log.
struct Salvage {
  private let source: Store
  private let progress: ((_ done: Int, _ total: Int) -> Void)?
  private var log: Log { source.log }
  private var geometry: Geometry { source.superblock.geometry }
  private(set) var report = RepairReport()
  /// The parts of the index that disagree with the log, or cannot be read.
  private var damagedPartitions: Set<Int> = []
  private let verifySteps: Int

  /// Looks for damage. The store is open read-only, by nobody else of this process.
  init(_ source: Store, progress: ((_ done: Int, _ total: Int) -> Void)?) throws(StoreError) {
    self.source = source
    self.progress = progress
    let partitions = source.index.partitionCount
    let steps = source.superblock.geometry.segmentCount + partitions
    verifySteps = steps
    let found = try source.verify { done, _ in progress?(done, steps + partitions) }
    let recovery = source.recovery
    let known = Set(recovery.damage.map(\.offset))
    let more = found.damage.filter { !known.contains($0.offset) }
    report.damage = Array((recovery.damage + more).prefix(Recovery.damageListLimit))
    report.damageCount = max(found.damageCount, recovery.damageCount, recovery.damage.count + more.count)
    report.mayHoldDeletedKeys = recovery.damage.contains(where: \.touchesIndex)
    for damage in recovery.damage where !damage.hasCopy && damage.kind != .index {
      report.note(Loss(kind: damage.kind, offset: damage.offset, length: damage.length, key: nil))
    }
    findDamagedPartitions(found)
  }

  /// Which parts of the index are concerned by what was found.
  private mutating func findDamagedPartitions(_ found: VerifyReport) {
    let wrong = found.damage.filter { $0.kind == .index }
    guard !wrong.isEmpty || found.damageCount > found.damage.count else { return }
    // What is not listed may be anywhere.
    var isEverywhere = found.damageCount > found.damage.count
    for damage in wrong where damage.length != UInt64(RunBlock.byteCount) {
      let line = Int(damage.offset) / lineSize
      // A record that is damaged has no key to be found by. The index is right, and says that no older one counts.
      if damage.length == UInt64(lineSize), !isValidRecord(atLine: line) { continue }
      if damage.length == UInt64(lineSize), let key = unsafe log.key(ofRecordAtLine: line) {
        damagedPartitions.insert(unsafe source.index.place(log.hash(key)).partition)
      } else {
        isEverywhere = true
      }
    }
    if isEverywhere { damagedPartitions.formUnion(0..<source.index.partitionCount) }
  }

  // MARK: Writing

  /// Writes a new store at `path`, of `size` bytes or as many as the damaged one, and checks it.
  mutating func write(to path: String, size: Int?) throws(StoreError) -> RepairReport {
    var options = StoreOptions()
    // All of it is made durable at the end: until then the file does not count.
    options.domain = .processOnly
    options.segmentSize = size == nil ? geometry.segmentSize : nil
    options.deferredBytes = min(1 << 20, (size ?? geometry.regionBytes) / 32)
    let address = StoreAddress(path: path)
    let target = try Store.create(
      at: address, size: size ?? geometry.regionBytes, options: options, replacing: true)
    do throws(StoreError) {
      try copyEntries(to: target)
      try target.persist()
      try target.checkpoint()
      report.keyCount = target.count
      try target.close()
    } catch {
      try? target.close()
      throw error
    }
    let written = try Store.open(at: address, access: .readOnly)
    defer { try? written.close() }
    guard written.recovery.damageCount == 0, try written.verify().isSound, written.count == report.keyCount else {
      throw .corrupt("what was salvaged does not read back whole; the damaged store was left as it is")
    }
    report.outcome = .salvaged
    return report
  }

  private mutating func copyEntries(to target: Store) throws(StoreError) {
    let partitions = source.index.partitionCount
    for partition in 0..<partitions where !damagedPartitions.contains(partition) {
      let lines: [Int]
      do throws(StoreError) {
        lines = try source.holdingOpen { () throws(StoreError) in try source.lines(of: partition) }
      } catch {
        guard case .damagedIndex = error else { throw error }
        damagedPartitions.insert(partition)
        continue
      }
      for line in lines { try copyRecord(atLine: line, to: target) }
      progress?(verifySteps + partition + 1, verifySteps + partitions)
    }
    guard !damagedPartitions.isEmpty else { return }
    report.mayHoldDeletedKeys = true
    for line in newestRecords() { try copyRecord(atLine: line, to: target) }
    progress?(verifySteps + partitions, verifySteps + partitions)
  }

  /// Copies an entry, or notes that it is lost.
  private mutating func copyRecord(atLine line: Int, to target: Store) throws(StoreError) {
    let offset = line * lineSize
    guard isValidRecord(atLine: line), let key = unsafe log.key(ofRecordAtLine: line) else {
      return noteLoss(ofRecordAtLine: line)
    }
    let value: UnsafeRawBufferPointer
    do throws(StoreError) {
      unsafe value = try unsafe log.value(ofRecordAtLine: line, verifying: true)
      if !source.medium.isWhole {
        try source.checkReads(of: offset..<offset + lineSize)
        try source.checkReads(of: unsafe source.medium.offsets(value.baseAddress, value.count))
      }
    } catch {
      guard case .damagedRecord(let place) = error else { throw error }
      let length = log.extentReference(ofRecordAtLine: line)?.length ?? lineSize
      report.note(Loss(kind: .extent, offset: place, length: UInt64(length), key: unsafe Array(key)))
      return
    }
    try unsafe target.put(value.bytes, for: key.bytes, durability: .deferred)
  }

  private func isValidRecord(atLine line: Int) -> Bool {
    let offset = line * lineSize
    let segment = geometry.segment(at: offset)
    // A slot of a damaged index may name any line of the region.
    guard offset >= geometry.firstSegment, segment < geometry.segmentCount, log.segments.kind(segment) == .log else {
      return false
    }
    let salt = unsafe log.segments[segment].pointee.salt
    let limit = geometry.segmentOffset(segment) + geometry.segmentSize
    return unsafe Record.validate(source.medium.bytes, at: offset, limit: limit, salt: salt) != nil
  }

  /// Notes that a record which the index names cannot be read; with its key, where that is whole.
  private mutating func noteLoss(ofRecordAtLine line: Int) {
    let offset = line * lineSize
    var known: [UInt8]?
    var length = lineSize
    if let key = unsafe log.key(ofRecordAtLine: line), unsafe !key.isEmpty {
      // The index has 24 bits and more of the key's hash: another key than the one that was stored hardly has them.
      let place = unsafe source.index.place(log.hash(key))
      if case .record = source.index.find(place, matches: { $0 == line }) {
        known = unsafe Array(key)
        length = unsafe Record.header(source.medium.bytes, at: offset)?.byteCount ?? lineSize
      }
    }
    report.note(Loss(kind: .record, offset: UInt64(offset), length: UInt64(length), key: known))
  }

  /// The newest valid record of each key in the damaged parts of the index, unless that is a tombstone.
  private func newestRecords() -> [Int] {
    var newest: [[UInt8]: (sequence: UInt64, line: Int, isDelete: Bool)] = [:]
    for segment in 0..<geometry.segmentCount where log.segments.kind(segment) == .log {
      for (line, record) in SegmentRecords(log, segment: segment, lines: log.segments.used(segment)) {
        if record.kind == .seal { break }
        guard record.kind != .batch, let key = unsafe log.key(ofRecordAtLine: line),
          unsafe damagedPartitions.contains(source.index.place(log.hash(key)).partition),
          let sequence = log.sequence(ofRecordAt: line * lineSize)
        else { continue }
        let known = unsafe Array(key)
        if newest[known].map({ $0.sequence < sequence }) ?? true {
          newest[known] = (sequence, line, record.kind == .delete)
        }
      }
    }
    return newest.values.filter { !$0.isDelete }.map(\.line).sorted()
  }
}

extension Damage {
  /// Whether recovery went on without the newest index because of it.
  fileprivate var touchesIndex: Bool {
    switch kind {
    // An older manifest names an older index, and does not know which tombstones are gone since.
    case .index, .manifest: true
    case .segmentHeader: !hasCopy
    case .superblock, .record, .extent: false
    }
  }
}
