/// Finding room: the open segment, one that an earlier owner left, a fresh one, another lane's.
extension Log {
  /// Takes a lane whose open segment has room for `bytes` more; see ``acquireLane(offset:)`` for which. Give it back by
  /// ``release(_:)``.
  ///
  /// - Throws: ``StoreError/full``, with nothing taken or written: maintenance may make room; or what the medium throws.
  @inline(__always)
  func acquireLane(bytes: Int, purpose: Space.Purpose, offset: Int = 0) throws(StoreError) -> Int {
    let lane = acquireLane(offset: offset)
    if hasRoom(lane, bytes: bytes) { return lane }
    return try makeRoom(lane, bytes: bytes, purpose: purpose)
  }

  /// The same for a put of a key. What is written often is kept apart once compaction has begun.
  @inline(__always)
  func acquireLane(bytes: Int, place: Index.Place) throws(StoreError) -> Int {
    if separatesRecent.load(ordering: .relaxed) { return try acquireLaneApart(bytes: bytes, place: place) }
    return try acquireLane(bytes: bytes, purpose: .put)
  }

  /// Takes the calling thread's usual lane for what lasts; for what was written a short time ago, the one that is half of all
  /// lanes away. So none are added: as long as no more than half of the lanes have a thread, each has two of its own.
  @inline(never)
  private func acquireLaneApart(bytes: Int, place: Index.Place) throws(StoreError) -> Int {
    try acquireLane(bytes: bytes, purpose: .put, offset: recentKeys.note(place) ? laneCount / 2 : 0)
  }

  /// Opens a segment for the lane, or changes to another lane.
  @inline(never)
  private func makeRoom(_ lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Int {
    if try openRoom(of: lane, bytes: bytes, purpose: .put) { return lane }
    // No segment is left. Room in other lanes' segments still is.
    if let other = laneWithRoom(bytes: bytes) { return other }
    // Tombstones may use the reserve, in a segment that puts keep out of: full of keys, it would not come back by itself.
    guard purpose == .delete else { throw .full }
    lock(tombstoneLane).lock()
    if hasRoom(tombstoneLane, bytes: bytes) { return tombstoneLane }
    if try openRoom(of: tombstoneLane, bytes: bytes, purpose: .delete) { return tombstoneLane }
    throw .full
  }

  /// ``openRoom(_:bytes:purpose:)``, which releases the lane where there is no room.
  private func openRoom(of lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Bool {
    do throws(StoreError) {
      if try openRoom(lane, bytes: bytes, purpose: purpose) { return true }
    } catch {
      release(lane)
      throw error
    }
    release(lane)
    return false
  }

  /// Gives the lane a segment with room: one that an earlier owner left, or a fresh one.
  func openRoom(_ lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Bool {
    if lane != tombstoneLane { try resumePartial(lane, bytes: bytes) }
    if hasRoom(lane, bytes: bytes) { return true }
    guard let fresh = purpose == .put ? takeSegments(1) : takeReserve(purpose) else { return false }
    try openSegment(lane, fresh[0], baseSequence: sequence)
    return true
  }

  /// Takes `count` free segments for records of puts: all or nothing.
  func takeSegments(_ count: Int) -> [Int]? {
    expectKeys(newSegments: count)
    return space.take(count, purpose: .put)
  }

  /// Takes a free segment for what adds no keys.
  func takeReserve(_ purpose: Space.Purpose) -> [Int]? {
    expectKeys(newSegments: 0)
    return space.take(1, purpose: purpose)
  }

  /// Says how many keys there may be before this is said again: each line of room may become one, and the index has to have
  /// room for all of them. The other lanes take copies and tombstones, which are no new keys.
  func expectKeys(newSegments: Int) {
    space.expect(keys: possibleKeys(newSegments: newSegments), lanes: allLanes.count)
  }

  /// How many keys there may be once so many segments more were opened and all that are open are full.
  func possibleKeys(newSegments: Int) -> Int {
    var lines = newSegments * geometry.recordLinesPerSegment + space.partialLines
    for lane in 0..<laneCount {
      let segment = unsafe self[lane].pointee.openSegment.load(ordering: .relaxed)
      // One more: it may be durable, and not counted as a key yet.
      if segment >= 0 { lines += max(0, geometry.segmentSize / lineSize - segments.used(segment)) }
    }
    return keyCount + unresolvedKeys.load(ordering: .relaxed) + lines
  }

  /// Lets a lane without room for `bytes` go on in a segment with room that an earlier owner left, if there is one.
  func resumePartial(_ lane: Int, bytes: Int) throws(StoreError) {
    guard !hasRoom(lane, bytes: bytes), let partial = space.takePartial(lines: lineCount(bytes: bytes)) else { return }
    try resumeSegment(lane, partial)
  }

  /// Takes another writer's lane that has room.
  private func laneWithRoom(bytes: Int) -> Int? {
    for other in 0..<laneCount {
      lock(other).lock()
      if hasRoom(other, bytes: bytes) { return other }
      release(other)
    }
    return nil
  }

  /// The bytes that lanes' open segments and earlier owners' still have room for.
  func openRoom() -> Int {
    var bytes = 0
    for segment in 0..<segments.count where segments.kind(segment) != .free {
      bytes += max(0, geometry.segmentSize - segments.used(segment) * lineSize)
    }
    return bytes
  }

  /// The open segments and where they end, for the manifest of a close; those beyond `capacity` are sealed. No writer is
  /// at work.
  func openSegments(capacity: Int) throws(StoreError) -> [Manifest.OpenSegment] {
    var open = try openSegmentsOfLanes()
    // Those that this owner never resumed are still as they were found.
    while let partial = space.takePartial(lines: 0) {
      if open.count < capacity {
        // The next owner takes a closed store's for clear.
        try clearBehindFrontier(partial)
        open.append(Manifest.OpenSegment(segment: UInt32(partial.segment), lines: UInt32(partial.usedLines)))
      } else {
        lock(0).lock()
        defer { release(0) }
        let current = open.firstIndex { unsafe Int($0.segment) == self[0].pointee.segment }
        if let current { open.remove(at: current) }
        try resumeSegment(0, partial)
        try sealSegment(0)
        try settleSeals(0)
      }
    }
    return open
  }

  /// Ends the lane's open segment if nothing in it lives and little room is left: the checkpoint that is being made sets it
  /// free. The caller holds the lane.
  func endDeadSegment(_ lane: Int) throws(StoreError) {
    let segment = unsafe self[lane].pointee.segment
    guard segment >= 0, unsafe self[lane].pointee.isSettled else { return }
    let header = Geometry.segmentHeaderBytes / lineSize
    let used = segments.used(segment)
    guard used > header, segments.dead(segment) == used - header,
      unsafe self[lane].pointee.room * 4 < geometry.segmentSize || space.freeCount <= space.reservedSegments
    else { return }
    // With a seal: the checkpoint may come to nothing, and then a close says that all segments but the open ones have theirs.
    try sealSegment(lane)
    try settleSeals(lane)
  }

  /// The lanes' open segments and where they end. The caller holds all lanes.
  func openSegmentsOfLanes() throws(StoreError) -> [Manifest.OpenSegment] {
    var open: [Manifest.OpenSegment] = []
    for lane in allLanes where unsafe self[lane].pointee.segment >= 0 {
      // A write that was refused may have opened the segment first: its header is durable before anything names it.
      if unsafe !self[lane].pointee.isSettled { try settle(lane, site: .closingSegment) }
      let segment = unsafe self[lane].pointee.segment
      open.append(
        Manifest.OpenSegment(segment: UInt32(segment), lines: UInt32(segments.used(segment))))
    }
    return open
  }

  /// Ends the open segments of lanes, and those that an earlier owner left. The caller holds all lanes.
  func sealOpenSegments(of lanes: Range<Int>) throws(StoreError) {
    for lane in lanes where unsafe self[lane].pointee.segment >= 0 {
      if unsafe self[lane].pointee.isSettled == false { try settle(lane, site: .closingSegment) }
      guard segments.used(unsafe self[lane].pointee.segment) > Geometry.segmentHeaderBytes / lineSize else { continue }
      try sealSegment(lane)
      try settleSeals(lane)
    }
    while let partial = space.takePartial(lines: 0) {
      try resumeSegment(0, partial)
      try sealSegment(0)
      try settleSeals(0)
    }
  }

  /// Makes durable seals that no record follows.
  private func settleSeals(_ lane: Int) throws(StoreError) {
    try unsafe medium.barrier(self[lane].pointee.dirty, site: .closingSeal)
    unsafe self[lane].pointee.isSettled = true
  }
}
