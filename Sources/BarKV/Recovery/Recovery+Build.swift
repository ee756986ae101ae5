import Synchronization

/// Making a store of what was found.
extension Recovery {
  /// What was found, and decided.
  struct Findings {
    var survey: Survey
    var scans: [SegmentScan]
    var verdict: LogVerdict
    var closed: Manifest?
    var manifest: Manifest?
    var checkpoint: Checkpoint?
    var runs: [Run]
    var epoch: UInt64
    var sequence: UInt64
  }

  mutating func build(_ found: Findings, began: UInt64) throws(StoreError) -> Store {
    let space = Space(geometry: geometry)
    let segments = SegmentTable(count: geometry.segmentCount, laneCount: Log.allLanes(options.maximumLanes))
    let lifecycle = try Lifecycle()
    let pool = TablePool(
      regionBytes: geometry.regionBytes, preparesAhead: access == .readWrite && options.maintainsInBackground)
    let epochs = unsafe Epochs(
      gate: lifecycle.gate, allowsQuickReads: !options.verifiesReads && !medium.canVanish,
      free: { unsafe pool.deallocate($0, bytes: $1) })
    let log = Log(
      medium: medium, superblock: superblock, space: space, segments: segments, options: options,
      sequence: found.sequence, ownerEpoch: found.epoch)
    let index = Index(regionBytes: geometry.regionBytes, epochs: epochs, pool: pool)
    adoptEarlier(found, log: log)
    for (scan, decided) in zip(found.scans, found.verdict.segments) { adopt(scan, decided, found, log: log) }
    let reservations = findReservations(found, log: log)
    let unusedExtents = findExtents(found, reservations, log: log)
    adopt(reservations, log: log)
    let tail = LogTail(
      zip(found.scans, found.verdict.segments).flatMap { scan, decided in
        scan.entries(before: decided.cut).map {
          LogTail.Part(
            records: $0, firstLine: scan.segmentOffset / lineSize, baseSequence: scan.header.baseSequence)
        }
      }, index: index)
    log.earlierKeys.store(found.checkpoint?.keys ?? 0, ordering: .relaxed)
    log.earlierLiveLines.store(found.checkpoint?.liveLines ?? 0, ordering: .relaxed)
    log.tailBytes.set(found.scans.reduce(0) { $0 + max(0, $1.tail - $1.start) })
    log.expectKeys(newSegments: 0)
    // Everything that decides was read. Nothing may be made of a region that was gone meanwhile, and nothing written to it.
    if !medium.isWhole { try judgeLoss() }

    var ownership: Manifest?
    if access == .readWrite {
      ownership = try takeOwnership(found, log: log, unusedExtents: unusedExtents)
      for header in unusedExtents {
        segments.free(header.segment)
        space.giveBack(Array(header.segment..<header.segment + header.span))
      }
    }
    if access == .readWrite {
      if options.mapsWholeRegion { medium.prepare(0..<medium.length) } else { log.preparer.advance() }
    }
    let base = found.runs.filter(\.isBase)
    let deltas = found.runs.filter { !$0.isBase }
    let loader = IndexLoader(
      log: log, index: index, epochs: epochs,
      runs: RunSet(medium: medium, geometry: geometry, base: base, deltas: deltas.reversed()),
      tail: tail.isEmpty ? nil : tail, budget: options.indexBytes)
    let maintenance = Maintenance(
      log: log, index: index, loader: loader, epochs: epochs, lifecycle: lifecycle,
      state: Maintenance.State(
        manifest: ownership, foundCheckpoint: found.checkpoint, base: base, deltas: deltas,
        runNumber: found.checkpoint?.runNumber ?? 0),
      options: options)
    log.segmentWasTaken.set { [weak maintenance] in maintenance?.segmentWasTaken() }
    report.nanoseconds = monotonicNanoseconds() - began
    let store = Store(
      medium: medium, superblock: superblock, log: log, index: index, loader: loader, maintenance: maintenance,
      epochs: epochs, lifecycle: lifecycle, options: options, isOwner: ownership != nil, recovery: report)
    maintenance.begin()
    return store
  }

  /// Commits a manifest as the next owner, and leaves the region as decided.
  private mutating func takeOwnership(
    _ found: Findings, log: Log, unusedExtents: [SegmentHeader]
  ) throws(StoreError) -> Manifest {
    var manifest = Manifest(
      commit: (found.manifest?.commit ?? 0) + 1, ownerEpoch: found.epoch, sequence: found.sequence,
      ownerProcess: processIdentifier(), isClosed: false)
    // Without it where the index is built anew: the next checkpoint has all of it.
    manifest.checkpoint = found.checkpoint
    if let newest = found.manifest {
      // What is known about the store may still be in a killed owner's caches, and the next commit overwrites the copy
      // before it: a power cut in between must not take both.
      let start = geometry.manifestOffset(Int(newest.commit & 1))
      try medium.flush(start..<start + geometry.manifestStride, site: .acceptedManifest)
      try medium.barrier(start..<start + geometry.manifestStride, site: .acceptedManifest)
    }
    // Before anything else is written: from here on no generation of an earlier owner is given out again, and what a
    // crash leaves of the rest is not held against a store that says it was closed.
    if !Mutant.erasesBeforeManifest.isActive {
      try manifest.write(to: medium, superblock: superblock, site: .openingManifest)
    }
    try repairSuperblock()
    // All segments of an extent: a value's bytes where a header would be must not look like a damaged one later.
    let unused = unusedExtents.flatMap { Array($0.segment..<$0.segment + $0.span) } + found.survey.stale
    try settle(
      found.survey, found.scans, found.verdict, log: log, freeing: Mutant.freesExtentsInMemory.isActive ? [] : unused,
      isClosed: found.closed != nil)
    if Mutant.erasesBeforeManifest.isActive {
      try manifest.write(to: medium, superblock: superblock, site: .openingManifest)
    }
    if let unclearTombstones { try log.clearBehindFrontier(unclearTombstones) }
    return manifest
  }

  /// Enters the segments from before the checkpoint into the tables, and those of the runs.
  private func adoptEarlier(_ found: Findings, log: Log) {
    for header in found.survey.earlierLogs {
      guard let use = found.checkpoint?.segments[header.segment] else { continue }
      log.segments.adopt(header, salt: header.salt(seed: superblock.seed), usedLines: geometry.segmentSize / lineSize)
      log.segments.addDead(use.dead, segment: header.segment)
      log.space.occupy(header.segment, span: 1)
    }
    for header in found.survey.extents {
      log.segments.adopt(
        header, salt: header.salt(seed: superblock.seed), usedLines: geometry.extentStart / lineSize)
      log.space.occupy(header.segment, span: header.span)
    }
    for header in found.survey.runs {
      let start = geometry.segmentOffset(header.segment)
      let runs = found.runs.filter { $0.generation == header.generation }
      guard let end = runs.map({ $0.offset - start + $0.lines(geometry) * lineSize }).max() else { continue }
      log.segments.adopt(header, salt: header.salt(seed: superblock.seed), usedLines: end / lineSize)
      log.segments.addDead(
        end / lineSize - geometry.extentStart / lineSize - runs.reduce(0) { $0 + $1.lines(geometry) },
        segment: header.segment)
      log.space.occupy(header.segment, span: 1)
      log.space.countRunSegments(1)
      for run in runs { log.space.countRun(bytes: run.byteCount) }
      log.space.setRunRoom(geometry.segmentSize - end)
      log.adoptExtentSegment(log.maintenanceLane, header.segment)
    }
    log.unresolvedKeys.store(found.scans.reduce(0) { $0 + $1.entryCount }, ordering: .relaxed)
  }

  /// Enters a log segment into the tables as decided.
  private mutating func adopt(
    _ scan: SegmentScan, _ decided: LogVerdict.Segment, _ found: Findings, log: Log
  ) {
    let closed = found.closed
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
    // All lines of the tail are dead until it turns out which records live.
    let atCut = found.checkpoint?.openLines(scan.header)
    log.segments.addDead(
      used - (atCut ?? Geometry.segmentHeaderBytes / lineSize)
        + (atCut == nil ? 0 : found.checkpoint?.segments[segment].dead ?? 0), segment: segment)
    // The seal's line is not for records.
    if isOpen, used < geometry.segmentSize / lineSize {
      // A close leaves nothing behind a frontier, and what was read to its end has been erased where it was dropped.
      let partial = Space.Partial(segment: segment, usedLines: used, isClear: closed != nil || !scan.isBounded)
      let before = atCut ?? Geometry.segmentHeaderBytes / lineSize
      let deadBefore = atCut == nil ? 0 : found.checkpoint?.segments[segment].dead ?? 0
      let hasTombstonesOnly =
        deadBefore == before - Geometry.segmentHeaderBytes / lineSize && used > Geometry.segmentHeaderBytes / lineSize
        && scan.entries(before: decided.cut).allSatisfy { $0.allSatisfy(\.isDelete) } && scan.reservations.isEmpty
      if !hasTombstonesOnly || !log.adoptTombstones(partial) {
        log.space.offer(partial)
      } else if !partial.isClear {
        unclearTombstones = partial
      }
    }
  }

  /// Finds out how far each extent segment is in use, and lets lanes go on in those with room.
  ///
  /// - Returns: the extent segments that no record refers to: their values were never committed.
  private func findExtents(
    _ found: Findings, _ reservations: [ReservationTable.Entry], log: Log
  ) -> [SegmentHeader] {
    guard !found.survey.extents.isEmpty else { return [] }
    var ends: [Int: Int] = [:]
    for entry in reservations {
      let segment = geometry.segment(at: entry.record.offset)
      let end =
        (entry.record.offset - geometry.segmentOffset(segment)) / lineSize
        + log.extentLines(bytes: entry.record.length)
      ends[segment] = max(ends[segment] ?? 0, end)
    }
    for (scan, decided) in zip(found.scans, found.verdict.segments) {
      for offset in scan.extentRecords where offset < decided.cut {
        guard let reference = log.extentReference(ofRecordAtLine: offset / lineSize),
          unsafe log.extent(reference) != nil
        else { continue }
        let segment = geometry.segment(at: reference.offset)
        let end =
          (reference.offset - geometry.segmentOffset(segment)) / lineSize + log.extentLines(bytes: reference.length)
        ends[segment] = max(ends[segment] ?? 0, end)
      }
    }
    var unused: [SegmentHeader] = []
    var lane = 0
    for header in found.survey.extents {
      let isEarlier = found.checkpoint.map { header.generation <= $0.generation } ?? false
      let use = isEarlier ? found.checkpoint?.segments[header.segment] : nil
      let start = geometry.extentStart / lineSize
      let total = header.span * geometry.segmentSize / lineSize
      let known = min(max(use?.used ?? start, start), total)
      let end = min(max(ends[header.segment] ?? start, known), total)
      if use == nil, ends[header.segment] == nil {
        unused.append(header)
        continue
      }
      log.segments.setUsed(end, segment: header.segment)
      // Like the lines of the tail's records: dead until it turns out which live.
      log.segments.addDead(end - known + (use?.dead ?? 0), segment: header.segment)
      if header.span == 1, end < total, lane < log.laneCount {
        log.adoptExtentSegment(lane, header.segment)
        lane += 1
      }
    }
    return unused
  }
}
