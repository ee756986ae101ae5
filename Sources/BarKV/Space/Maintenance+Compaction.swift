/// Compaction: live records are copied out of segments that hold much that is dead, so that these can be used again.
///
/// A copy is a put of the same value under a new sequence number, by a lane of its ``CopyAge``: recovery needs to know nothing
/// about it, and what has lasted is kept apart from what is new. Only segments from before the last checkpoint's cut are
/// victims: tombstones and batches in them have done their work. They come back with the next checkpoint.
extension Maintenance {
  /// One victim and what it would cost.
  struct Victim {
    var segment: Int
    var live: Int
    var dead: Int
    /// The lane that its live records are copied to.
    var lane: Int
    var score: Double
    var garbage: Double { Double(dead) / Double(live) }
  }

  /// A live record of a victim.
  struct Survivor {
    var line: Int
    var lines: Int
    var place: Index.Place
    /// Where its value is moved to, and from where, if it is.
    var moved: ExtentReference?
    var extent: ExtentReference?
  }

  /// How many records are copied under one barrier, and how many lines.
  static var groupCount: Int { 64 }
  static var groupLines: Int { 4096 }

  /// Empties victims as far as there is room for what lives in them, and makes a checkpoint, which gives them back. The
  /// caller has the turn.
  ///
  /// - Parameter leastGarbage: victims have at least one dead line in so many.
  /// - Returns: whether anything was moved; nothing is when a whole pass over the segments has brought no room.
  func compactStep(_ state: inout State, leastGarbage: Int) throws(StoreError) -> Bool {
    if netGain(state) > state.mostGained { beginPass(&state) }
    guard state.fruitlessMoves < geometry.segmentCount else { return false }
    var victims = chooseVictims(state, leastGarbage)
    var extents = chooseExtentVictims(state, leastGarbage)
    if state.manifest?.checkpoint == nil || victims.isEmpty && extents.isEmpty {
      guard log.tailBytes.value > 0 || hasUnreportedTail, state.manifest != nil else { return false }
      let before = state.gained
      do throws(StoreError) { try checkpoint(&state) } catch {
        guard error == .full else { throw error }
        return false
      }
      if state.gained > before { return true }
      victims = chooseVictims(state, leastGarbage)
      extents = chooseExtentVictims(state, leastGarbage)
    }
    guard !victims.isEmpty || !extents.isEmpty else { return false }
    var emptied = 0
    let copied = copiedBytes.load(ordering: .relaxed)
    if let best = extents.first, victims.allSatisfy({ $0.garbage < best.garbage }) {
      emptied = try emptyExtents(extents, &state)
    } else {
      for victim in victims {
        guard try empty(victim, &state) else { break }
        emptied += 1
      }
    }
    // Room that ended sooner than thought may have left all victims half empty: a checkpoint may bring what is missing.
    guard emptied > 0 || copiedBytes.load(ordering: .relaxed) > copied else { return false }
    state.fruitlessMoves += max(1, emptied)
    do throws(StoreError) { try checkpoint(&state) } catch {
      guard error == .full else { throw error }
      return false
    }
    return true
  }

  /// Lets all segments be victims, once more.
  func beginPass(_ state: inout State) {
    state.mostGained = netGain(state)
    state.fruitlessMoves = 0
  }

  private var hasUnreportedTail: Bool {
    log.allLanes.contains { lane in
      log.lock(lane).lock()
      defer { log.release(lane) }
      return unsafe log[lane].pointee.unreported > 0
    }
  }

  /// The segments that are worth the most: much garbage, long unchanged; as many as the free segments take the live
  /// records of, but for the one that the runs may need.
  func chooseVictims(_ state: State, _ leastGarbage: Int) -> [Victim] {
    guard let checkpoint = state.manifest?.checkpoint else { return [] }
    let geometry = log.geometry
    let header = Geometry.segmentHeaderBytes / lineSize
    let open = Set(checkpoint.open.map { Int($0.segment) })
    let now = log.sequence
    let keys = log.keyCount
    let free = log.space.freeCount
    let spare = log.space.takeable(by: .copy, most: 4)
    // Where not each age can have a segment of its own, all go where there is most room.
    let shared = geometry.rewritesIndex || spare < CopyAge.allCases.count ? roomiestCopyLane : nil
    var victims: [Victim] = []
    for segment in 0..<geometry.segmentCount {
      guard log.segments.kind(segment) == .log, !open.contains(segment), !state.stuck.contains(segment),
        !log.segments.isPinned(segment),
        log.segments.used(segment) == geometry.segmentSize / lineSize
      else { continue }
      let entry = unsafe log.segments[segment]
      guard unsafe entry.pointee.generation <= checkpoint.generation else { continue }
      let dead = log.segments.dead(segment)
      let live = log.segments.used(segment) - header - dead
      // Empty ones come back by themselves.
      guard dead > 0, live > 0, dead * leastGarbage >= live + dead else { continue }
      let written = unsafe now &- entry.pointee.baseSequence
      victims.append(
        Victim(
          segment: segment, live: live, dead: dead,
          lane: shared ?? log.copyLane(CopyAge(written: written, keys: keys)),
          score: Double(dead) / Double(live) * (Double(written) + 1)))
    }
    victims.sort { $0.score > $1.score }
    // What changes, two entries a line at most, has to find room in the run of the checkpoint that gives the victims back.
    let pending = log.tailBytes.value / lineSize
    var lines = [Int](repeating: 0, count: log.allLanes.count)
    var chosen: [Victim] = []
    for victim in victims.prefix(32) {
      lines[victim.lane] += victim.live
      let taken = log.allLanes.reduce(0) { $0 + segmentsTaken(lane: $1, lines: lines[$1]) }
      guard taken <= spare,
        geometry.rewritesIndex
          || geometry.runSegments(entries: 2 * (lines.reduce(0, +) + pending)) <= max(1, free - taken)
      else {
        lines[victim.lane] -= victim.live
        continue
      }
      chosen.append(victim)
    }
    return chosen
  }

  private var roomiestCopyLane: Int {
    let lanes = CopyAge.allCases.map(log.copyLane)
    return lanes.max { unsafe log[$0].pointee.room < log[$1].pointee.room } ?? log.maintenanceLane
  }

  /// How many segments the lane of copies opens for so many lines.
  private func segmentsTaken(lane: Int, lines: Int) -> Int {
    // The others are writers', and not to be looked at without their locks.
    guard lines > 0 else { return 0 }
    let beyond = unsafe lines - log[lane].pointee.room / lineSize
    let perSegment = geometry.recordLinesPerSegment
    return max(0, beyond + perSegment - 1) / perSegment
  }

  /// Copies what lives in a segment; whether nothing does afterwards.
  private func empty(_ victim: Victim, _ state: inout State) throws(StoreError) -> Bool {
    let segment = victim.segment
    if Mutant.copiesNothing.isActive {
      log.segments.addDead(
        log.segments.used(segment) - Geometry.segmentHeaderBytes / lineSize - log.segments.dead(segment),
        segment: segment)
      return true
    }
    var group: [Survivor] = []
    var lines = 0
    for (line, record) in SegmentRecords(log, segment: segment, lines: geometry.segmentSize / lineSize) {
      if record.kind == .put || record.kind == .putExtent, let key = unsafe log.key(ofRecordAtLine: line) {
        group.append(Survivor(line: line, lines: record.lines, place: unsafe index.place(log.hash(key))))
        lines += record.lines
      }
      if group.count == Self.groupCount || lines >= Self.groupLines {
        guard try copy(group, lane: victim.lane) else { return false }
        group = []
        lines = 0
      }
    }
    guard try copy(group, lane: victim.lane) else { return false }
    compactedSegments.wrappingAdd(1, ordering: .relaxed)
    // Each writer has two open segments from here on, which is much where there are few.
    if !geometry.rewritesIndex { log.separatesRecent.store(true, ordering: .relaxed) }
    let isEmpty =
      log.segments.dead(segment) == log.segments.used(segment) - Geometry.segmentHeaderBytes / lineSize
    // Something in it is damaged, and stays where it is for whoever wants to see it.
    if !isEmpty { state.stuck.insert(segment) }
    return isEmpty
  }

  /// Copies those of a group that live, under one barrier; `false` where there is no room for them.
  func copy(_ group: [Survivor], lane: Int) throws(StoreError) -> Bool {
    // A look without locks first: most records of a good victim are dead. Each looks somewhere else in the index, and one
    // after the other they would wait for memory a third of the compactor's time.
    for survivor in group { index.prefetch(survivor.place) }
    var candidates: [Survivor] = []
    for survivor in group {
      if try isNamed(survivor) { candidates.append(survivor) } else { abandon(survivor) }
    }
    guard !candidates.isEmpty else { return true }
    let partitions = candidates.map(\.place.partition).sorted()
    var locked: [Int] = []
    locked.reserveCapacity(partitions.count)
    defer { for partition in locked { index.lock(partition).unlock() } }
    for partition in partitions where partition != locked.last {
      index.lock(partition).lock()
      locked.append(partition)
      if !index.isResident(partition) { try loader.load(partition) }
    }
    try lifecycle.check()
    log.lock(lane).lock()
    defer { log.release(lane) }
    var copies: [(survivor: Survivor, position: Int, offset: Int)] = []
    var hasRoom = true
    for survivor in candidates {
      guard hasRoom, let position = position(of: survivor) else {
        abandon(survivor)
        continue
      }
      if !log.hasRoom(lane, bytes: survivor.lines * lineSize) {
        // An earlier owner's segment, which may be the next, is gone on in only when all before it is durable.
        if !copies.isEmpty { try log.settle(lane, site: .copy) }
        let free = log.space.freeCount
        guard try log.openRoom(lane, bytes: survivor.lines * lineSize, purpose: .copy) else {
          hasRoom = false
          abandon(survivor)
          continue
        }
        taken(free - log.space.freeCount)
      }
      copies.append((survivor, position, try append(survivor, lane: lane)))
    }
    if copies.isEmpty { return hasRoom }
    // A reader may see the copy instead of the original only when a crash can no longer take it back: the original's
    // segment is given away in reliance on it.
    if Mutant.copyVisibleBeforeBarrier.isActive { publish(copies, lane: lane) }
    try log.settle(lane, site: .copy)
    if !Mutant.copyVisibleBeforeBarrier.isActive { publish(copies, lane: lane) }
    return hasRoom
  }

  private func append(_ survivor: Survivor, lane: Int) throws(StoreError) -> Int {
    let offset = survivor.line * lineSize
    guard let record = unsafe Record.header(medium.bytes, at: offset) else {
      throw .damagedRecord(offset: UInt64(offset))
    }
    let body = offset + Record.headerBytes
    let key = unsafe UnsafeRawBufferPointer(rebasing: medium.bytes[body..<body + record.keyLength])
    copiedBytes.wrappingAdd(UInt64(survivor.lines * lineSize), ordering: .relaxed)
    if let moved = survivor.moved {
      return try unsafe moved.withEncoded { (reference) throws(StoreError) in
        try unsafe log.append(
          lane, kind: .putExtent, sequence: log.takeSequence(), key: key, value: reference, site: .copy)
      }
    }
    return try unsafe log.append(
      lane, kind: record.kind, sequence: log.takeSequence(), key: key,
      value: UnsafeRawBufferPointer(
        rebasing: medium.bytes[body + record.keyLength..<body + record.keyLength + record.valueLength]),
      site: .copy)
  }

  private func publish(_ copies: [(survivor: Survivor, position: Int, offset: Int)], lane: Int) {
    for copy in copies {
      let line = copy.offset / lineSize
      index.replace(copy.survivor.place, at: copy.position, line: line)
      log.segments.addDead(
        copy.survivor.lines, segment: log.geometry.segment(at: copy.survivor.line * lineSize), lane: lane)
      if let moved = copy.survivor.moved { countMoved(moved, from: copy.survivor.extent) }
      log.note(lane, copy.survivor.place, gone: copy.survivor.line)
      log.note(lane, copy.survivor.place, came: line)
    }
  }

  /// Counts an extent as live in its new place, and as dead where it was.
  private func countMoved(_ moved: ExtentReference, from old: ExtentReference?) {
    let lines = log.extentLines(bytes: moved.length)
    log.segments.addDead(-lines, segment: geometry.segment(at: moved.offset))
    log.segments.addPending(-1, segment: geometry.segment(at: moved.offset))
    if let old { log.segments.addDead(lines, segment: geometry.segment(at: old.offset)) }
  }

  /// Gives up the copy of a value whose record is not there any more, or cannot be written.
  private func abandon(_ survivor: Survivor) {
    if let moved = survivor.moved { log.abandon(moved) }
  }

  /// Whether the index names the record, by a look without a lock.
  func isNamed(_ survivor: Survivor) throws(StoreError) -> Bool {
    epochs.enter()
    defer { epochs.leave() }
    while true {
      switch index.find(survivor.place, matches: { $0 == survivor.line }) {
      case .record: return true
      case .absent: return false
      case .notResident:
        index.lock(survivor.place.partition).lock()
        defer { index.lock(survivor.place.partition).unlock() }
        if !index.isResident(survivor.place.partition) { try loader.load(survivor.place.partition) }
      }
    }
  }

  /// The position of the record's slot, if the index still names it. The caller holds the partition.
  private func position(of survivor: Survivor) -> Int? {
    if Mutant.copyOverNewer.isActive, let key = unsafe log.key(ofRecordAtLine: survivor.line) {
      return index.position(survivor.place, matches: { unsafe log.record(atLine: $0, hasKey: key) })?.position
    }
    return index.position(survivor.place, matches: { $0 == survivor.line })?.position
  }
}

extension Log {
  /// Whether nothing lives in the segment, nor will: the caller holds all lanes, whose open segments are `open`.
  func isEmpty(_ segment: Int, open: Set<Int>) -> Bool {
    let (used, dead) = (segments.used(segment), segments.dead(segment))
    if segments.isPinned(segment) { return false }
    switch segments.kind(segment) {
    case .free, .runs: return false
    case .log:
      return !open.contains(segment) && used == geometry.segmentSize / lineSize
        && dead == used - Geometry.segmentHeaderBytes / lineSize
    case .extents: return !segments.hasPending(segment) && dead == used - geometry.extentStart / lineSize
    }
  }
}
