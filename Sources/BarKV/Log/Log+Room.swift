/// Finding room: the open segment, one that an earlier owner left, a fresh one, another lane's.
extension Log {
  /// Takes a lane whose open segment has room for `bytes` more. Give it back by ``release(_:)``.
  ///
  /// - Throws: ``StoreError/full``, with nothing taken or written: maintenance may make room; or what the medium throws.
  @inline(__always)
  func acquireLane(bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Int {
    let lane = acquireLane()
    if hasRoom(lane, bytes: bytes) { return lane }
    return try makeRoom(lane, bytes: bytes, purpose: purpose)
  }

  /// Opens a segment for the lane, or changes to another lane.
  @inline(never)
  private func makeRoom(_ lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Int {
    do throws(StoreError) {
      if try openRoom(lane, bytes: bytes, purpose: purpose) { return lane }
    } catch {
      release(lane)
      throw error
    }
    release(lane)
    // No segment is left. Room in other lanes' segments still is.
    if let other = laneWithRoom(bytes: bytes, upTo: purpose == .delete ? maintenanceLane : laneCount - 1) {
      return other
    }
    throw .full
  }

  /// Gives the lane a segment with room: one that an earlier owner left, or a fresh one.
  func openRoom(_ lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Bool {
    try resumePartial(lane, bytes: bytes)
    if hasRoom(lane, bytes: bytes) { return true }
    // Each line of room in the lanes may become a key, and the index has to have room for all of them.
    space.expect(
      keys: keyCount + (laneCount + 1) * geometry.recordLinesPerSegment / 2 + geometry.recordLinesPerSegment,
      lanes: laneCount + 1)
    guard let fresh = space.take(1, purpose: purpose) else { return false }
    try openSegment(lane, fresh[0], baseSequence: sequence.load(ordering: .relaxed))
    return true
  }

  /// Lets a lane without room for `bytes` go on in a segment with room that an earlier owner left, if there is one.
  func resumePartial(_ lane: Int, bytes: Int) throws(StoreError) {
    guard !hasRoom(lane, bytes: bytes), let partial = space.takePartial(lines: lineCount(bytes: bytes)) else { return }
    try resumeSegment(lane, partial)
  }

  /// Takes another lane that has room; tombstones go to that of maintenance, too.
  private func laneWithRoom(bytes: Int, upTo last: Int) -> Int? {
    for other in 0...last {
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

  /// Takes the lane's open segment away if nothing in it lives and little room is left. It needs no seal: the checkpoint that
  /// is being made says that it is free. The caller holds the lane.
  func leaveDeadSegment(_ lane: Int) {
    let segment = unsafe self[lane].pointee.segment
    guard segment >= 0, unsafe self[lane].pointee.isSettled else { return }
    let header = Geometry.segmentHeaderBytes / lineSize
    let used = segments.used(segment)
    guard used > header, segments.dead(segment) == used - header,
      unsafe self[lane].pointee.room * 4 < geometry.segmentSize || space.freeCount <= space.reservedSegments
    else { return }
    segments.addDead(geometry.segmentSize / lineSize - used, segment: segment)
    segments.setUsed(geometry.segmentSize / lineSize, segment: segment)
    unsafe self[lane].pointee.segment = -1
    // The next one does not follow on it: without a seal, it would look torn should the checkpoint come to nothing.
    unsafe self[lane].pointee.generation = 0
    unsafe self[lane].pointee.position = 0
    unsafe self[lane].pointee.limit = 0
  }

  /// The lanes' open segments and where they end. The caller holds all lanes.
  func openSegmentsOfLanes() throws(StoreError) -> [Manifest.OpenSegment] {
    var open: [Manifest.OpenSegment] = []
    for lane in 0...laneCount where unsafe self[lane].pointee.segment >= 0 {
      // A write that was refused may have opened the segment first: its header is durable before anything names it.
      if unsafe !self[lane].pointee.isSettled { try settle(lane, site: .closingSegment) }
      let segment = unsafe self[lane].pointee.segment
      open.append(
        Manifest.OpenSegment(segment: UInt32(segment), lines: UInt32(segments.used(segment))))
    }
    return open
  }

  /// Ends the open segments of the lanes up to `last`, and those that an earlier owner left. The caller holds all lanes.
  func sealOpenSegments(upTo last: Int) throws(StoreError) {
    for lane in 0...last where unsafe self[lane].pointee.segment >= 0 {
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
