import Synchronization

/// Opening a region: read what is there, decide what counts, bring the index up, and, for an owner, leave the region as
/// decided. Nothing is ever formatted here.
struct Recovery {
  private let medium: Medium
  private let superblock: Superblock
  private let options: StoreOptions
  private let access: Access
  /// Where the superblock's copy is that is not valid.
  private let damagedSuperblock: Int?
  private var report = RecoveryReport()
  private var geometry: Geometry { superblock.geometry }

  /// The longest list of damage kept in a report.
  static let damageListLimit = 1000

  /// What the headers say: one entry a used segment.
  private struct Survey {
    var logs: [SegmentHeader] = []
    var extents: [SegmentHeader] = []
    /// Segments whose header has a copy that is not valid.
    var damagedCopies: [(segment: Int, copy: Int)] = []
    /// Segments without a valid header that are not blank.
    var unreadable: [Int] = []
  }

  private init(
    medium: Medium, superblock: Superblock, options: StoreOptions, access: Access, damagedSuperblock: Int?
  ) {
    self.medium = medium
    self.superblock = superblock
    self.options = options
    self.access = access
    self.damagedSuperblock = damagedSuperblock
  }

  /// Opens the store in `medium`.
  ///
  /// - Throws: ``StoreError/notAStore(_:)``, ``StoreError/wrongByteOrder``,
  ///   ``StoreError/unsupportedVersion(found:supported:)``, ``StoreError/unsupportedFeatures(_:)``,
  ///   ``StoreError/sizeMismatch(recorded:found:)``, ``StoreError/corrupt(_:)``; what the medium throws.
  static func open(_ medium: Medium, path: String, access: Access, options: StoreOptions) throws(StoreError) -> Store {
    do throws(StoreError) {
      return try read(medium, path: path, access: access, options: options)
    } catch {
      // What looks like no store, or a damaged one, may be what stands in for a region that is gone.
      if !medium.isWhole { try medium.checkAnswer() }
      throw error
    }
  }

  private static func read(
    _ medium: Medium, path: String, access: Access, options: StoreOptions
  ) throws(StoreError) -> Store {
    let began = monotonicNanoseconds()
    try options.validate()
    for copy in 0..<2 {
      // A file that is no store may be shorter.
      let offset = min(medium.length, copy * Geometry.metadataStride(regionBytes: medium.length))
      medium.note(load: offset..<min(medium.length, offset + Superblock.encodedBytes))
    }
    let found = try unsafe Superblock.read(from: medium.bytes, path: path)
    medium.expectPresence(at: found.damagedCopy == 0 ? found.superblock.geometry.superblockOffset(1) : 0)
    var recovery = Recovery(
      medium: medium, superblock: found.superblock, options: options, access: access,
      damagedSuperblock: found.damagedCopy)
    if let copy = found.damagedCopy, !Mutant.reportsNoSuperblock.isActive {
      recovery.note(
        Damage(
          kind: .superblock, offset: UInt64(copy), length: UInt64(Superblock.encodedBytes),
          detail: "this copy of the superblock is not valid; the other one serves"))
    }
    return try recovery.run(began: began)
  }

  private mutating func note(_ damage: Damage) {
    report.damageCount += 1
    if report.damage.count < Self.damageListLimit { report.damage.append(damage) }
  }

  private mutating func run(began: UInt64) throws(StoreError) -> Store {
    for area in 0..<2 {
      medium.note(load: geometry.manifestOffset(area)..<geometry.manifestOffset(area) + geometry.metadataStride)
    }
    let manifests = unsafe Manifest.read(from: medium.bytes, superblock: superblock)
    let survey = surveySegments()
    let log = superblock
    let scans = parallelMap(survey.logs.count) { [medium] index in
      let start = log.geometry.segmentOffset(survey.logs[index].segment)
      medium.note(load: start..<start + log.geometry.segmentSize)
      return unsafe SegmentScan(survey.logs[index], region: medium.bytes, superblock: log) { key in
        unsafe KeyHash.of(key, seed: log.seed)
      }
    }
    let closed = closedManifest(manifests.manifest, scans: scans, survey: survey)
    noteManifests(manifests, closed: closed)
    let verdict = LogVerdict(scans, geometry: geometry, closed: closed)
    for damage in verdict.damage { note(damage) }
    noteHeaders(survey, scans: scans, verdict: verdict, isClosed: closed != nil)
    report.wasClosed = closed != nil
    report.segmentCount = survey.logs.count + survey.extents.count

    var epoch = manifests.manifest?.ownerEpoch ?? 0
    for header in survey.logs + survey.extents { epoch = max(epoch, header.generation >> 32) }
    if access == .readWrite {
      // Where a manifest and segments' headers are lost, nobody knows how often the store was opened. A generation given
      // out again would bring those segments' records back into force: go on with a number that none is likely to have.
      let isKnown = manifests.manifest != nil && (manifests.invalidAreas.isEmpty || survey.unreadable.isEmpty)
      epoch += isKnown ? Mutant.epochStays.isActive ? 0 : 1 : UInt64.random(in: 1...(1 << 24))
      guard epoch <= UInt64(UInt32.max) else { throw .corrupt("the owner epoch has no successor") }
    }
    var sequence = scans.reduce(manifests.manifest?.sequence ?? 0) { max($0, $1.highestSequence) }
    // A write that the crash tore may have taken any number up to the room there was: none of them is given out again.
    if closed == nil, !Mutant.sequenceNotBumped.isActive { sequence += UInt64(geometry.regionBytes / lineSize) }
    let store = try build(
      survey, scans, verdict, closed: closed, epoch: epoch, sequence: sequence, found: manifests.manifest, began: began)
    return store
  }

  // MARK: Survey

  private func surveySegments() -> Survey {
    var survey = Survey()
    var segment = 0
    while segment < geometry.segmentCount {
      var span = 1
      let start = geometry.segmentOffset(segment)
      medium.note(load: start..<start + Geometry.segmentHeaderBytes)
      switch unsafe SegmentHeader.read(from: medium.bytes, segment: segment, superblock: superblock) {
      case .none(let isBlank):
        if !isBlank { survey.unreadable.append(segment) }
      case .valid(let header, let damagedCopy):
        if let damagedCopy { survey.damagedCopies.append((segment, damagedCopy)) }
        // What stands inside an extent is a value's bytes, whatever they look like.
        span = header.span
        if header.kind == .log { survey.logs.append(header) } else { survey.extents.append(header) }
      }
      segment += span
    }
    return survey
  }

  /// The manifest, if it says that the store was closed and nothing in the region is newer than it.
  private func closedManifest(_ manifest: Manifest?, scans: [SegmentScan], survey: Survey) -> Manifest? {
    guard let manifest, manifest.isClosed else { return nil }
    // The newest manifest may be unreadable, and this an older owner's: then there is something that it cannot know.
    let isNewest = (survey.logs + survey.extents).allSatisfy { $0.generation >> 32 <= manifest.ownerEpoch }
    guard isNewest || Mutant.closedDespiteNewerOwner.isActive else { return nil }
    for scan in scans where scan.sealOffset == nil && !Mutant.closedDespiteGrowth.isActive {
      guard let open = manifest.openSegments.first(where: { Int($0.segment) == scan.header.segment }) else { continue }
      if scan.tail > geometry.segmentOffset(scan.header.segment) + Int(open.lines) * lineSize { return nil }
    }
    return manifest
  }

  private mutating func noteManifests(_ found: (manifest: Manifest?, invalidAreas: [Int]), closed: Manifest?) {
    // One area that is not valid is what a crash during a commit leaves: no damage. It is damage where nothing is left, or
    // where what is left is not the newest.
    let isStale = found.manifest?.isClosed == true && closed == nil
    guard found.manifest == nil || isStale, !Mutant.reportsNoManifest.isActive else { return }
    for area in found.invalidAreas {
      note(
        Damage(
          kind: .manifest, offset: UInt64(geometry.manifestOffset(area)), length: UInt64(geometry.metadataStride),
          detail: "this manifest area is not valid; the log was read without it"))
    }
  }

  private mutating func noteHeaders(
    _ survey: Survey, scans: [SegmentScan], verdict: LogVerdict, isClosed: Bool
  ) {
    for (segment, copy) in survey.damagedCopies {
      // Without a settled record the segment may just have been opened, and its header torn. Where all of it is dropped, a
      // settled head of a torn batch included, the header may just have been erased, and the erasure torn.
      let isProven =
        isClosed
        || zip(scans, verdict.segments).contains { scan, decided in
          scan.header.segment == segment && scan.lastSettled >= 0 && !scan.isEmpty(decided, geometry: geometry)
        }
      guard isProven, !Mutant.reportsNoHeaderCopy.isActive else { continue }
      note(
        Damage(
          kind: .segmentHeader, offset: UInt64(geometry.segmentOffset(segment) + copy * lineSize),
          length: UInt64(lineSize), detail: "this copy of the segment's header is not valid; the other one serves"))
    }
    for segment in survey.unreadable {
      if isClosed, !Mutant.reportsNoLostSegment.isActive {
        note(
          Damage(
            kind: .segmentHeader, offset: UInt64(geometry.segmentOffset(segment)), length: UInt64(geometry.segmentSize),
            detail: "both copies of the segment's header are damaged: what the segment held is lost"))
      } else {
        report.tornTailCount += 1
      }
    }
  }

  // MARK: Building the store

  private mutating func build(
    _ survey: Survey, _ scans: [SegmentScan], _ verdict: LogVerdict, closed: Manifest?, epoch: UInt64, sequence: UInt64,
    found: Manifest?, began: UInt64
  ) throws(StoreError) -> Store {
    let space = Space(geometry: geometry)
    let segments = SegmentTable(count: geometry.segmentCount)
    let lifecycle = try Lifecycle()
    let pool = TablePool(regionBytes: geometry.regionBytes)
    let epochs = unsafe Epochs(
      gate: lifecycle.gate, allowsQuickReads: !options.verifiesReads && !medium.canVanish,
      free: { unsafe pool.deallocate($0, bytes: $1) })
    let log = Log(
      medium: medium, superblock: superblock, space: space, segments: segments, options: options,
      sequence: sequence, ownerEpoch: epoch)
    let index = Index(regionBytes: geometry.regionBytes, epochs: epochs, pool: pool)
    for header in survey.extents {
      segments.adopt(
        header, salt: header.salt(seed: superblock.seed), usedLines: geometry.extentStart / lineSize)
      space.occupy(header.segment, span: header.span)
    }
    for (scan, decided) in zip(scans, verdict.segments) {
      adopt(scan, decided, closed: closed, log: log)
    }
    Replay(log: log, index: index).run(scans, verdict)
    let unusedExtents = Replay(log: log, index: index).findExtents(survey.extents)
    space.reserveForPresentKeys(lines: index.tombstoneLines)
    // Everything that decides was read. Nothing may be made of a region that was gone meanwhile, and nothing written to it.
    if !medium.isWhole { try judgeLoss() }

    var ownership: Manifest?
    if access == .readWrite {
      let manifest = Manifest(
        commit: (found?.commit ?? 0) + 1, ownerEpoch: epoch, sequence: sequence, ownerProcess: processIdentifier(),
        isClosed: false)
      if let found {
        // What is known about the store may still be in a killed owner's caches, and the next commit overwrites the copy
        // before it: a power cut in between must not take both.
        let start = geometry.manifestOffset(Int(found.commit & 1))
        try medium.flush(start..<start + geometry.metadataStride, site: .acceptedManifest)
        try medium.barrier(start..<start + geometry.metadataStride, site: .acceptedManifest)
      }
      // Before anything else is written: from here on no generation of an earlier owner is given out again, and what a
      // crash leaves of the rest is not held against a store that says it was closed.
      if !Mutant.erasesBeforeManifest.isActive {
        try manifest.write(to: medium, superblock: superblock, site: .openingManifest)
      }
      ownership = manifest
      try repairSuperblock()
      // All segments of an extent: a value's bytes where a header would be must not look like a damaged one later.
      let unused = unusedExtents.flatMap { Array($0.segment..<$0.segment + $0.span) }
      try settle(
        survey, scans, verdict, log: log, freeing: Mutant.freesExtentsInMemory.isActive ? [] : unused,
        isClosed: closed != nil)
      if Mutant.erasesBeforeManifest.isActive {
        try manifest.write(to: medium, superblock: superblock, site: .openingManifest)
      }
      for header in unusedExtents {
        segments.free(header.segment)
        space.giveBack(Array(header.segment..<header.segment + header.span))
      }
    }
    if access == .readWrite {
      if options.mapsWholeRegion { medium.prepare(0..<medium.length) } else { log.preparer.advance() }
    }
    report.nanoseconds = monotonicNanoseconds() - began
    return Store(
      medium: medium, superblock: superblock, log: log, index: index, epochs: epochs, lifecycle: lifecycle,
      options: options, ownership: ownership, recovery: report)
  }

  /// Reports what could not be read because its memory is poisoned.
  ///
  /// - Throws: ``StoreError/deviceLost(_:)`` where the region is gone, or some of it poisoned that an owner would write to.
  private mutating func judgeLoss() throws(StoreError) {
    try medium.checkPresence()
    for part in medium.loss.poisoned {
      if access == .readWrite {
        throw .deviceLost("the memory at offset \(part.lowerBound) is poisoned: open it read-only and dump it")
      }
      note(
        Damage(
          kind: .record, offset: UInt64(part.lowerBound), length: UInt64(part.count),
          detail: "the memory here is poisoned: what it held is lost"))
    }
  }

  /// Enters a log segment into the tables as decided.
  private mutating func adopt(
    _ scan: SegmentScan, _ decided: LogVerdict.Segment, closed: Manifest?, log: Log
  ) {
    let segment = scan.header.segment
    let start = geometry.segmentOffset(segment)
    report.recordCount += scan.recordCount
    let dropped = scan.droppedRecords(decided)
    report.droppedRecordCount += dropped.count
    report.recordCount -= dropped.count
    let isTorn = !dropped.isEmpty || (!decided.isSettled && scan.hasBytesAtTail)
    if isTorn { report.tornTailCount += 1 }
    // Nothing in it counts: it is free again.
    if scan.isEmpty(decided, geometry: geometry) { return }
    log.space.occupy(segment, span: 1)
    let listed = closed?.openSegments.first { Int($0.segment) == segment }
    let keepsSeal = scan.sealOffset.map { $0 < decided.cut } ?? false
    // Behind damage at its end nothing is appended: after a crash the two could not be told from a torn write.
    let isWhole = listed.map { scan.tail == start + Int($0.lines) * lineSize } ?? false
    let hasProof = !scan.losesProof(decided) || Mutant.appendsWithoutProof.isActive
    let isSound = isWhole || (listed != nil && Mutant.appendsBehindDamage.isActive)
    let isOpen = !keepsSeal && hasProof && (closed == nil ? !decided.isSettled : isSound)
    let used = (isOpen ? decided.cut - start : geometry.segmentSize) / lineSize
    log.segments.adopt(scan.header, salt: scan.header.salt(seed: superblock.seed), usedLines: used)
    // The seal's line is not for records.
    if isOpen, used < geometry.segmentSize / lineSize {
      log.space.offer(Space.Partial(segment: segment, usedLines: used))
    }
  }

  /// The line at which the log goes on after a crash, unless it is blank: a record that was torn there must not be made
  /// whole by the one that is written over it and torn in turn.
  private func tornStart(_ scan: SegmentScan, _ decided: LogVerdict.Segment) -> [Int] {
    if Mutant.keepsTornStart.isActive { return [] }
    let end = geometry.segmentOffset(scan.header.segment) + geometry.segmentSize
    guard !decided.isSettled, decided.cut < end, decided.cut < scan.tail || scan.hasBytesAtTail else { return [] }
    return [decided.cut]
  }

  /// Writes a copy of the superblock that is not valid anew, after the other: it may have been torn by a power cut in the
  /// creation, and would be taken for damage at each open.
  private func repairSuperblock() throws(StoreError) {
    guard let offset = damagedSuperblock else { return }
    let encoded = superblock.encoded()
    try unsafe encoded.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
      try unsafe medium.write(bytes, at: offset, site: .superblock)
    }
    // A cut before this barrier leaves the copy as damaged as it was; the other is never written.
    try medium.barrier(offset..<offset + Superblock.encodedBytes, site: .superblock)
  }

  /// Leaves the region as decided: what was dropped can never be taken for a record again, and what was kept is durable,
  /// before anything is answered from it.
  private func settle(
    _ survey: Survey, _ scans: [SegmentScan], _ verdict: LogVerdict, log: Log, freeing unused: [Int], isClosed: Bool
  ) throws(StoreError) {
    var changed = false
    // Later segments of a chain first: a crash between leaves them orphans still.
    let order = scans.indices.sorted {
      (scans[$0].header.generation > scans[$1].header.generation) != Mutant.erasesInOrder.isActive
    }
    let zeros = [UInt8](repeating: 0, count: lineSize)
    for index in order {
      let decided = verdict.segments[index]
      if scans[index].isEmpty(decided, geometry: geometry) {
        try SegmentHeader.erase(
          segment: scans[index].header.segment, in: medium, geometry: geometry, site: .erasedSegment)
        changed = true
        continue
      }
      let dropped = Mutant.keepsDropped.isActive ? [] : scans[index].droppedRecords(decided)
      let hidden =
        decided.isSettled || Mutant.keepsHidden.isActive ? [] : scans[index].hidden.filter { $0 >= decided.cut }
      for offset in dropped + hidden + tornStart(scans[index], decided) {
        try unsafe zeros.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
          try unsafe medium.write(line, at: offset, site: .erasedRecord)
        }
        changed = true
      }
    }
    for segment in survey.unreadable {
      try SegmentHeader.erase(segment: segment, in: medium, geometry: geometry, site: .erasedHeader)
      changed = true
    }
    if isClosed || Mutant.freesExtentsFirst.isActive { changed = try free(unused) || changed }
    for (segment, copy) in survey.damagedCopies where !unused.contains(segment) {
      guard let header = (survey.logs + survey.extents).first(where: { $0.segment == segment }),
        !zip(scans, verdict.segments).contains(where: {
          $0.header.segment == segment && $0.isEmpty($1, geometry: geometry)
        })
      else { continue }
      try header.writeCopy(copy, to: medium, superblock: superblock)
      changed = true
    }
    for (scan, decided) in zip(scans, verdict.segments) where isEndDamaged(scan, decided, log: log) {
      try writeSeal(scan.header, site: .endSeal)
      changed = true
    }
    guard changed || !isClosed else { return }
    for (scan, decided) in zip(scans, verdict.segments) where !decided.isSettled && decided.cut > 0 {
      // A process that was killed leaves its last stores in caches: readable, and not durable. A reader must not be
      // shown what a power cut could still take.
      let start = geometry.segmentOffset(scan.header.segment)
      let from = max(start, min(decided.settledUpTo, decided.cut))
      try medium.flush(start..<start + Geometry.segmentHeaderBytes, site: .acceptedHeader)
      try medium.flush(from..<decided.cut, site: .acceptedRecords)
    }
    for header in survey.extents where !unused.contains(header.segment) {
      let start = geometry.segmentOffset(header.segment)
      try medium.flush(start..<start + Geometry.segmentHeaderBytes, site: .acceptedExtents)
    }
    try medium.barrier(0..<medium.length, site: .recoveryAccept)
    // Not before what was dropped is gone for good: the seal would settle that, too.
    let unproven = zip(scans, verdict.segments).filter { $0.losesProof($1) }
    if !unproven.isEmpty {
      for (scan, _) in unproven { try writeSeal(scan.header, site: .proofSeal) }
      try medium.barrier(0..<medium.length, site: .proofSeal)
    }
    // What replaced an extent's value is durable only now: erased before, both could be lost.
    if !isClosed, try free(unused) { try medium.barrier(0..<medium.length, site: .erasedExtents) }
  }

  /// Erases the headers of extent segments that no key needs; whether there are any.
  private func free(_ segments: [Int]) throws(StoreError) -> Bool {
    for segment in segments {
      try SegmentHeader.erase(segment: segment, in: medium, geometry: geometry, site: .erasedExtents)
    }
    return !segments.isEmpty
  }

  /// Whether the segment was whole once, and has lost its seal or what was its end since.
  private func isEndDamaged(_ scan: SegmentScan, _ decided: LogVerdict.Segment, log: Log) -> Bool {
    decided.isSettled && scan.sealOffset == nil
      && log.segments.used(scan.header.segment) == geometry.segmentSize / lineSize
  }

  /// Writes a settled seal into the line that is kept for one. It goes on saying that what is not valid before it is damage:
  /// the manifest of the last close says so only until the next owner crashes.
  private func writeSeal(_ header: SegmentHeader, site: MediumSite) throws(StoreError) {
    var line = [UInt8](repeating: 0, count: lineSize)
    unsafe line.withUnsafeMutableBytes { line in
      guard let record = line.baseAddress else { return }
      unsafe Record.build(
        record, delta: 0, key: UnsafeRawBufferPointer(start: nil, count: 0),
        value: UnsafeRawBufferPointer(start: nil, count: 0), kind: .seal, isSettled: true,
        salt: header.salt(seed: superblock.seed))
    }
    let offset = geometry.segmentOffset(header.segment) + geometry.segmentSize - lineSize
    try unsafe line.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
      try unsafe medium.write(line, at: offset, site: site)
    }
  }
}
