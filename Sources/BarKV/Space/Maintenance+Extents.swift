/// Compaction of extents: the live values of a segment that holds much that is dead are copied to another one.
///
/// An extent does not say whose it is. So the records are asked: the log's segments are read for references into the victims,
/// once for all victims of a step. Where values are long their records are a small part of what is stored.
///
/// A value of several segments is not moved: its segments come back together when it dies.
extension Maintenance {
  /// A segment of extents and what it would cost.
  struct ExtentVictim {
    var segment: Int
    var live: Int
    var dead: Int
    var garbage: Double { Double(dead) / Double(live) }
  }

  /// The segments of extents that are worth the most, as many as there is room for what lives in them.
  func chooseExtentVictims(_ state: State, _ leastGarbage: Int) -> [ExtentVictim] {
    let start = geometry.extentStart / lineSize
    let open = log.openExtentSegments()
    var victims: [ExtentVictim] = []
    for segment in 0..<geometry.segmentCount {
      guard log.segments.kind(segment) == .extents, unsafe log.segments[segment].pointee.span == 1,
        !open.contains(segment), !state.stuck.contains(segment), !log.segments.hasPending(segment),
        !log.segments.isPinned(segment)
      else { continue }
      let dead = log.segments.dead(segment)
      let live = log.segments.used(segment) - start - dead
      // With what was never used, behind the last extent: it is won, too.
      let unused = geometry.segmentSize / lineSize - log.segments.used(segment)
      guard live > 0, dead + unused > 0, (dead + unused) * leastGarbage >= live + dead + unused else { continue }
      victims.append(ExtentVictim(segment: segment, live: live, dead: dead + unused))
    }
    victims.sort { $0.garbage > $1.garbage }
    // One segment stays for tombstones, and one for the records of what is moved.
    let hasRecordRoom = unsafe log[log.maintenanceLane].pointee.room >= geometry.segmentSize / 4
    let kept = hasRecordRoom ? 1 : 2
    let spare = max(0, log.space.takeable(by: .copy, most: 4 + kept) - kept)
    var room = log.extentRoomForCopies + spare * (geometry.segmentSize / lineSize - start)
    var chosen: [ExtentVictim] = []
    for victim in victims.prefix(32) {
      guard victim.live <= room else { continue }
      room -= victim.live
      chosen.append(victim)
    }
    return chosen
  }

  /// Copies what lives in the victims; how many of them are empty then.
  func emptyExtents(_ victims: [ExtentVictim], _ state: inout State) throws(StoreError) -> Int {
    let segments = Set(victims.map(\.segment))
    var group: [Survivor] = []
    var lines = 0
    var hasRoom = true
    for survivor in recordsReferring(to: segments) {
      guard hasRoom else { break }
      guard try isNamed(survivor), let moved = try move(survivor, &hasRoom) else { continue }
      group.append(moved)
      lines += log.extentLines(bytes: moved.extent?.length ?? 0)
      if group.count == Self.groupCount || lines >= Self.groupLines {
        hasRoom = try copyMoved(group)
        group = []
        lines = 0
      }
    }
    if !group.isEmpty, try !copyMoved(group) { hasRoom = false }
    var emptied = 0
    for segment in segments {
      let isEmpty = log.segments.dead(segment) == log.segments.used(segment) - geometry.extentStart / lineSize
      if isEmpty {
        emptied += 1
        compactedSegments.wrappingAdd(1, ordering: .relaxed)
      } else if hasRoom, !log.segments.hasPending(segment) {
        // Something in it is damaged, and stays where it is for whoever wants to see it.
        state.stuck.insert(segment)
      }
    }
    return emptied
  }

  /// The records that refer to an extent in one of `segments`.
  private func recordsReferring(to segments: Set<Int>) -> [Survivor] {
    var survivors: [Survivor] = []
    for segment in 0..<geometry.segmentCount where log.segments.kind(segment) == .log {
      for (line, record) in SegmentRecords(log, segment: segment, lines: log.segments.used(segment)) {
        if record.kind == .putExtent, let reference = log.extentReference(ofRecordAtLine: line),
          segments.contains(geometry.segment(at: reference.offset)),
          let key = unsafe log.key(ofRecordAtLine: line)
        {
          survivors.append(
            Survivor(line: line, lines: record.lines, place: unsafe index.place(log.hash(key)), extent: reference))
        }
      }
    }
    return survivors
  }

  /// Writes a survivor's value to another segment, not yet durable; `nil` where the value is damaged or there is no room.
  private func move(_ survivor: Survivor, _ hasRoom: inout Bool) throws(StoreError) -> Survivor? {
    guard let extent = survivor.extent, let value = unsafe log.extent(extent) else { return nil }
    let salt = unsafe log.segments[geometry.segment(at: extent.offset)].pointee.salt
    // A copy would give damaged bytes a checksum that is right.
    guard unsafe Checksum.of(value, seed: salt) == extent.checksum else { return nil }
    do throws(StoreError) {
      let free = log.space.freeCount
      let copy = try unsafe log.copyExtent(value)
      taken(free - log.space.freeCount)
      copiedBytes.wrappingAdd(UInt64(log.extentLines(bytes: extent.length) * lineSize), ordering: .relaxed)
      var moved = survivor
      moved.moved = copy.reference
      return moved
    } catch {
      guard error == .full else { throw error }
      hasRoom = false
      return nil
    }
  }

  /// Makes copies durable, and puts records in force that refer to them; whether there was room for those.
  private func copyMoved(_ group: [Survivor]) throws(StoreError) -> Bool {
    var ranges: [Int: Range<Int>] = [:]
    for survivor in group {
      guard let moved = survivor.moved else { continue }
      // From the segment's start: its header may be as new.
      let segment = geometry.segment(at: moved.offset)
      let end = max(ranges[segment]?.upperBound ?? 0, moved.offset + roundUp(moved.length, to: lineSize))
      ranges[segment] = geometry.segmentOffset(segment)..<end
    }
    // Before the records that refer to them: recovery takes a record's word and does not read the extent.
    for segment in ranges.keys.sorted() {
      if let range = ranges[segment] { try medium.barrier(range, site: .copy) }
    }
    return try copy(group, lane: log.maintenanceLane)
  }
}
