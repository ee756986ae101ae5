/// Finding room: the open segment, one that an earlier owner left, a fresh one, another lane's.
extension Log {
  /// Takes a lane whose open segment has room for `bytes` more. Give it back by ``release(_:)``.
  ///
  /// - Throws: ``StoreError/full``, with nothing taken or written; or what the medium throws.
  @inline(__always)
  func acquireLane(bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Int {
    let lane = acquireLane()
    // Where space is short, what room there is may be what tombstones were promised.
    if hasRoom(lane, bytes: bytes), purpose == .delete || !space.isShort { return lane }
    return try makeRoom(lane, bytes: bytes, purpose: purpose)
  }

  /// Opens a segment for the lane, or changes to another lane.
  @inline(never)
  private func makeRoom(_ lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Int {
    do throws(StoreError) {
      if purpose == .put {
        guard !isShort(lane) else { throw .full }
        if hasRoom(lane, bytes: bytes) { return lane }
      }
      if try openRoom(lane, bytes: bytes, purpose: .put) { return lane }
    } catch {
      release(lane)
      throw error
    }
    release(lane)
    if purpose == .delete { return try makeRoomFromReserve(bytes: bytes) }
    // No segment is left. Room in other lanes' segments still is.
    if let other = laneWithRoom(bytes: bytes) {
      if !space.isShort { return other }
      release(other)
    }
    throw .full
  }

  /// Gives the lane a segment with room: one that an earlier owner left, or a fresh one.
  private func openRoom(_ lane: Int, bytes: Int, purpose: Space.Purpose) throws(StoreError) -> Bool {
    try resumePartial(lane, bytes: bytes)
    if hasRoom(lane, bytes: bytes) { return true }
    guard let fresh = space.take(1, credit: 0, purpose: purpose) else { return false }
    try openSegment(lane, fresh[0], baseSequence: sequence.load(ordering: .relaxed))
    return true
  }

  /// Lets a lane without room for `bytes` go on in a segment with room that an earlier owner left, if there is one.
  func resumePartial(_ lane: Int, bytes: Int) throws(StoreError) {
    guard !hasRoom(lane, bytes: bytes), let partial = space.takePartial(lines: lineCount(bytes: bytes)) else { return }
    try resumeSegment(lane, partial)
  }

  /// Takes another lane that has room.
  private func laneWithRoom(bytes: Int) -> Int? {
    for other in 0..<laneCount {
      lock(other).lock()
      if hasRoom(other, bytes: bytes) { return other }
      release(other)
    }
    return nil
  }

  /// Finds room for a tombstone where nothing is left but what was set aside for it. The caller holds no lane.
  ///
  /// Segments of the reserve are used up one after the other, by all lanes together: a tombstone's reserve allows for the
  /// end of one segment that is too short for it, not for one in each lane.
  private func makeRoomFromReserve(bytes: Int) throws(StoreError) -> Int {
    try space.reserveTurn.withLock { _ throws(StoreError) in
      if let other = laneWithRoom(bytes: bytes) { return other }
      let lane = acquireLane()
      do throws(StoreError) {
        if hasRoom(lane, bytes: bytes) { return lane }
        if try openRoom(lane, bytes: bytes, purpose: .delete) { return lane }
        throw .full
      } catch {
        release(lane)
        throw error
      }
    }
  }

  /// Lines of credit that a lane fetches at a time.
  private static var creditChunk: Int { 1024 }

  /// Makes sure that the lane has `lines` lines of credit for a tombstone.
  ///
  /// - Returns: whether it has; `false` means that the store is full.
  @inline(__always)
  func ensureCredit(_ lane: Int, lines: Int) -> Bool {
    if unsafe self[lane].pointee.credit >= lines { return true }
    return fetchCredit(lane, lines: lines)
  }

  @inline(never)
  private func fetchCredit(_ lane: Int, lines: Int) -> Bool {
    let state = unsafe self[lane]
    let missing = unsafe lines - state.pointee.credit
    if let granted = space.takeCredit(lines: missing, chunk: Self.creditChunk) {
      unsafe state.pointee.credit += granted
      return true
    }
    collectIdleCredit(lane)
    guard let granted = space.takeCredit(lines: missing, chunk: Self.creditChunk) else { return false }
    unsafe state.pointee.credit += granted
    return true
  }

  /// Returns the credit of the lanes that nobody holds, besides `lane`: it is room that nobody uses.
  private func collectIdleCredit(_ lane: Int) {
    for other in 0..<laneCount where other != lane && lock(other).tryLock() {
      returnCredit(other)
      release(other)
    }
  }

  /// Returns the lane's credit.
  private func returnCredit(_ lane: Int) {
    let state = unsafe self[lane]
    guard unsafe state.pointee.credit > 0 else { return }
    unsafe space.returnCredit(lines: state.pointee.credit)
    unsafe state.pointee.credit = 0
  }

  /// Whether space is short even when all credit that nobody needs is returned. The caller holds the lane.
  func isShort(_ lane: Int) -> Bool {
    guard space.isShort else { return false }
    collectIdleCredit(lane)
    returnCredit(lane)
    return space.isShort
  }

  /// Gives the lane back credit that a deleted key no longer needs; a lane keeps no more than it may soon use.
  func refundCredit(_ lane: Int, lines: Int) {
    let state = unsafe self[lane]
    unsafe state.pointee.credit += lines
    if unsafe state.pointee.credit > 2 * Self.creditChunk {
      unsafe space.returnCredit(lines: state.pointee.credit - Self.creditChunk)
      unsafe state.pointee.credit = Self.creditChunk
    }
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
    var open: [Manifest.OpenSegment] = []
    for lane in 0..<laneCount where unsafe self[lane].pointee.segment >= 0 {
      // A write that was refused may have opened the segment first: its header is durable before anything names it.
      if unsafe !self[lane].pointee.isSettled { try settle(lane, site: .closingSegment) }
      let segment = unsafe self[lane].pointee.segment
      open.append(
        Manifest.OpenSegment(segment: UInt32(segment), lines: UInt32(segments.used(segment))))
    }
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

  /// Makes durable seals that no record follows.
  private func settleSeals(_ lane: Int) throws(StoreError) {
    try unsafe medium.barrier(self[lane].pointee.dirty, site: .closingSeal)
    unsafe self[lane].pointee.isSettled = true
  }
}
