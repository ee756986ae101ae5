import Synchronization

/// Checkpoints: the index of everything written so far goes into runs, and the tail begins anew.
extension Maintenance {
  /// What is known at the cut: a moment at which no write is half done.
  private struct Cut {
    var checkpoint: Checkpoint
    var changes: [RunEntry]
    var window: UInt64
    /// Segments in which nothing lives: the manifest that is being made no longer names them.
    var empty: [(segment: Int, span: Int)]
    /// Segments with extents that are being written.
    var pending: [Int]
  }

  /// Makes a checkpoint: two barriers, and the runs' bytes. The caller has the turn.
  ///
  /// - Parameter mergesLater: whether the merging that it makes due is done by steps of its own: nobody waits for it then.
  /// - Throws: ``StoreError/full`` where the runs have no room, with nothing lost; ``StoreError/damagedIndex(offset:)``.
  func checkpoint(
    _ state: inout State, sealing: Sealing = .none, mergesLater: Bool = false
  ) throws(StoreError) {
    guard var manifest = state.manifest else { return }
    // A run without the tail's changes would be taken for one that has them.
    guard loader.resolveTail() || Mutant.forgetsTail.isActive else { throw .damagedIndex(offset: 0) }
    log.unresolvedKeys.store(0, ordering: .relaxed)
    var cut = try cut(state, sealing: sealing)
    // As long as nothing was sealed, which the manifest has to say.
    if cut.changes.isEmpty, cut.empty.isEmpty, cut.checkpoint.open == manifest.checkpoint?.open,
      cut.checkpoint.reservations == manifest.checkpoint?.reservations
    {
      index.committedWindow.store(cut.window, ordering: .releasing)
      if sealing == .all { try mergeRuns(&state, most: 0) }
      return
    }
    RunEntries.settle(&cut.changes, threads: mergingThreads)
    let isSmall = state.base.isEmpty || writesAnew(cut, state, sealing)
    var (base, deltas, runNumber) = (state.base, state.deltas, state.runNumber)
    var written = WrittenRuns()
    do throws(StoreError) {
      if isSmall {
        // Not behind the old ones: all of their segments come back at once.
        if geometry.rewritesIndex { leaveRunSegment() }
        let older = try loader.runs.slots(0..<RunEntry.keyLimit)
        let merged = RunEntries.merge(newer: cut.changes, older: older, dropsGone: true)
        base = try write(merged, range: 0..<RunEntry.keyLimit, isBase: true, number: &runNumber, &written)
        deltas = []
      } else if !cut.changes.isEmpty {
        deltas += try write(
          cut.changes, range: 0..<RunEntry.keyLimit, isBase: false, number: &runNumber, &written)
      }
      try settle(written)
      // Before the manifest says that they are there: without a header they would be taken for lost.
      for segment in cut.pending where !Mutant.namesPendingSegment.isActive {
        let start = geometry.segmentOffset(segment)
        try medium.barrier(start..<start + Geometry.segmentHeaderBytes, site: .extentHeader)
      }
    } catch {
      // What was cut is not lost: it is the first of the next cut's. What was written stays dead.
      restore(cut)
      leaveRuns(&state)
      release(&state)
      throw error
    }
    let added = max(0, deltas.count - state.deltas.count)
    state.runNumber = runNumber
    cut.checkpoint.runNumber = runNumber
    cut.checkpoint.runs = (base + deltas).map(\.reference)
    manifest.checkpoint = cut.checkpoint
    manifest.sequence = cut.checkpoint.sequence
    if Mutant.freesBeforeCommit.isActive { leave(cut.empty, &state); release(&state) }
    try commit(&manifest, &state)
    checkpoints.wrappingAdd(1, ordering: .relaxed)
    replaceRuns(&state, base: base, deltas: deltas)
    loader.publish(
      RunSet(medium: medium, geometry: geometry, base: base, deltas: deltas.reversed()), committed: cut.window)
    leave(cut.empty, &state)
    leaveRuns(&state)
    release(&state)
    // Where space is short, all delta runs go: what they take up is worth more than the writing.
    if sealing == .all {
      try mergeRuns(&state, most: 0)
    } else {
      try mergeShare(&state, added: added, isLater: mergesLater)
    }
    release(&state)
    loader.keepBudget(asks: false)
  }

  /// Commits a manifest: from its barrier on it is the one in force.
  func commit(_ manifest: inout Manifest, _ state: inout State) throws(StoreError) {
    manifest.commit += 1
    try manifest.write(to: medium, superblock: superblock, site: .checkpoint)
    state.manifest = manifest
  }

  /// Whether all of the index is written anew: it is little, or space is short. What is left over in run segments comes back.
  private func writesAnew(_ cut: Cut, _ state: State, _ sealing: Sealing) -> Bool {
    let free = log.space.freeCount
    guard geometry.runSegments(entries: cut.checkpoint.keys) <= free else { return false }
    let changes = cut.changes.count
    if entries(state.base) + entries(state.deltas) <= 2 * changes + geometry.entriesPerRun { return true }
    let isShort = sealing != .none || free - geometry.runSegments(entries: changes) <= log.space.reservedSegments
    return geometry.rewritesIndex && isShort
  }

  // MARK: The cut

  /// Holds all lanes for a moment: nothing is half done then, and all that is counted goes together.
  private func cut(_ state: State, sealing: Sealing) throws(StoreError) -> Cut {
    var locked = 0
    defer { for lane in 0..<locked { log.release(lane) } }
    for lane in log.allLanes {
      log.lock(lane).lock()
      locked += 1
    }
    var checkpoint = Checkpoint(
      generation: log.lastGeneration, sequence: log.sequence, keys: log.keyCount,
      liveLines: log.liveLines, runNumber: 0)
    // Full of what is dead already: a segment of tombstones, where space is short, comes back at once.
    for lane in log.allLanes { try log.endDeadSegment(lane) }
    if sealing != .none { try log.sealOpenSegments(of: sealing == .all ? log.allLanes : 0..<log.laneCount) }
    checkpoint.open = try log.openSegmentsOfLanes()
    checkpoint.open += log.space.partials.map {
      Manifest.OpenSegment(segment: UInt32($0.segment), lines: UInt32($0.usedLines))
    }
    // With all lanes held: each is here, or ended by a record before the cut.
    if !Mutant.cutForgetsReservations.isActive {
      checkpoint.reservations = log.reservations.all.map {
        ReservationReference(
          offset: UInt64($0.recordOffset),
          generation: unsafe log.segments[geometry.segment(at: $0.recordOffset)].pointee.generation)
      }
    }
    var changes = loader.tailChanges()
    // At once: after a large batch there are many, and all writers wait for each page that they go to.
    changes.reserveCapacity(log.allLanes.reduce(changes.count) { unsafe $0 + log[$1].pointee.changes.count })
    for lane in log.allLanes {
      unsafe log[lane].pointee.changes.take(into: &changes)
      unsafe log[lane].pointee.unreported = 0
    }
    log.tailBytes.set(0)
    setDue()
    log.space.beginTail()
    let window = index.window.wrappingAdd(1, ordering: .relaxed).oldValue
    // More open segments than a manifest names: the excess would be read as full. There are never so many: each lane has
    // one, and an earlier owner's are taken over first.
    precondition(checkpoint.open.count <= Manifest.capacity(geometry), "more open segments than a manifest names")
    let open = Set(checkpoint.open.map { Int($0.segment) })
    var empty: [(segment: Int, span: Int)] = []
    var pending: [Int] = []
    let leaving = Set(state.leaving.map(\.segment))
    checkpoint.segments.reserveCapacity(geometry.segmentCount)
    for segment in 0..<geometry.segmentCount {
      let kind = log.segments.kind(segment)
      let (used, dead) = (log.segments.used(segment), log.segments.dead(segment))
      if kind == .free || kind == .runs || leaving.contains(segment) {
        checkpoint.segments.append(SegmentUse(kind: .free, used: 0, dead: 0))
      } else if log.isEmpty(segment, open: open) {
        empty.append((segment, unsafe max(1, Int(log.segments[segment].pointee.span))))
        checkpoint.segments.append(SegmentUse(kind: .free, used: 0, dead: 0))
        log.leaveExtentSegment(segment)
      } else {
        checkpoint.segments.append(SegmentUse(kind: kind, used: used, dead: dead))
        if log.segments.hasPending(segment) { pending.append(segment) }
      }
    }
    return Cut(checkpoint: checkpoint, changes: changes, window: window, empty: empty, pending: pending)
  }

  /// Takes a cut back that came to nothing.
  private func restore(_ cut: Cut) {
    log.lock(log.maintenanceLane).lock()
    for change in cut.changes { unsafe log[log.maintenanceLane].pointee.changes.append(change) }
    log.release(log.maintenanceLane)
    // Not at once again: where there is no room now, there is hardly any for the next write's attempt.
    log.tailBytes.add(tailTrigger / 2)
  }

  // MARK: Runs

  /// What was written and is not durable yet.
  struct WrittenRuns {
    var runs: [Run] = []
    var ranges: [Range<Int>] = []
  }

  func entries(_ runs: [Run]) -> Int { runs.reduce(0) { $0 + $1.entryCount } }

  /// Writes sorted entries as runs that follow one another over `range`.
  ///
  /// - Parameter leavesRest: whether the last of several runs is left out where it would not be full: then they end sooner.
  func write(
    _ entries: [RunEntry], range: Range<UInt64>, isBase: Bool, leavesRest: Bool = false, number: inout UInt64,
    _ written: inout WrittenRuns
  ) throws(StoreError) -> [Run] {
    let stateBits = RunBlock.stateBits(regionBytes: geometry.regionBytes)
    var runs: [Run] = []
    var next = 0
    var lower = range.lowerBound
    log.lock(log.maintenanceLane).lock()
    defer { log.release(log.maintenanceLane) }
    repeat {
      let free = log.space.freeCount
      number += 1
      let plan = Run.plan(
        entries, from: next, capacity: geometry.longestRun, number: number, range: lower..<range.upperBound,
        isBase: isBase, stateBits: stateBits)
      if leavesRest, !runs.isEmpty, plan.next == entries.count {
        number -= 1
        break
      }
      let place = try log.writeRun(bytes: plan.run.byteCount) { salt in plan.encoded(entries, salt: salt) }
      var run = plan.run
      run.offset = place.offset
      run.generation = place.generation
      run.salt = unsafe log.segments[geometry.segment(at: place.offset)].pointee.salt
      runs.append(run)
      written.runs.append(run)
      written.ranges.append(place.range)
      taken(free - log.space.freeCount)
      runBytes.wrappingAdd(UInt64(run.byteCount), ordering: .relaxed)
      next = plan.next
      lower = run.range.upperBound
    } while next < entries.count
    return runs
  }

  /// Counts segments that maintenance took for itself.
  func taken(_ count: Int) {
    if count > 0 { takenSegments.wrappingAdd(count, ordering: .relaxed) }
  }

  /// Lets the next run begin a segment.
  private func leaveRunSegment() {
    let lane = log.maintenanceLane
    log.lock(lane).lock()
    defer { log.release(lane) }
    let segment = unsafe log[lane].pointee.extentSegment
    if segment >= 0 { log.leaveExtentSegment(segment) }
  }

  /// Makes runs durable, before a manifest names them: named and not there, they would take the index with them.
  func settle(_ written: WrittenRuns) throws(StoreError) {
    var ranges: [Range<Int>] = []
    for range in written.ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = ranges.last, last.upperBound >= range.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        ranges.append(range)
      }
    }
    for range in ranges { try medium.barrier(range, site: .run) }
  }

  /// Puts runs in force in memory.
  func replaceRuns(_ state: inout State, base: [Run], deltas: [Run]) {
    let new = base + deltas
    let before = state.base + state.deltas
    let newNumbers = Set(new.map(\.number))
    let oldNumbers = Set(before.map(\.number))
    for run in new where !oldNumbers.contains(run.number) { count(run, isLive: true) }
    for run in before where !newNumbers.contains(run.number) { count(run, isLive: false) }
    state.base = base
    state.deltas = deltas
  }

  private func count(_ run: Run, isLive: Bool) {
    let lines = run.lines(geometry)
    log.segments.addDead(isLive ? -lines : lines, segment: geometry.segment(at: run.offset))
    log.space.countRun(bytes: isLive ? run.byteCount : -run.byteCount)
  }

  /// Lets segments go in which there is nothing but runs that are no longer in force, or that a checkpoint left which found no
  /// room for all of its runs. The manifest names none of them: it was just committed.
  func leaveRuns(_ state: inout State) {
    var empty: [(segment: Int, span: Int)] = []
    let leaving = Set(state.leaving.map(\.segment))
    log.lock(log.maintenanceLane).lock()
    for segment in 0..<geometry.segmentCount where !leaving.contains(segment) {
      guard log.segments.kind(segment) == .runs,
        log.segments.dead(segment) == log.segments.used(segment) - geometry.extentStart / lineSize
      else { continue }
      log.leaveExtentSegment(segment)
      empty.append((segment, 1))
    }
    log.release(log.maintenanceLane)
    leave(empty, &state)
  }

  /// Lets segments go once all readers that may be in them have left.
  func leave(_ segments: [(segment: Int, span: Int)], _ state: inout State) {
    guard !segments.isEmpty else { return }
    let epoch = epochs.advance()
    let leaving = Set(state.leaving.map(\.segment))
    for item in segments where !leaving.contains(item.segment) {
      state.leaving.append((item.segment, item.span, epoch))
    }
  }
}
