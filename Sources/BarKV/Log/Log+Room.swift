/// Finding room: the open segment, one that an earlier owner left, a fresh one, another lane's.
extension Log {
  /// Takes a lane whose open segment has room for `bytes` more. Give it back by ``release(_:)``.
  ///
  /// - Throws: ``StoreError/full``, with nothing taken or written; or what the medium throws.
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
      if let partial = space.takePartial(lines: lineCount(bytes: bytes)) {
        try resumeSegment(lane, partial)
        if hasRoom(lane, bytes: bytes) { return lane }
      }
      if let fresh = space.take(1, credit: 0, purpose: purpose) {
        try openSegment(lane, fresh[0], baseSequence: sequence.load(ordering: .relaxed))
        return lane
      }
    } catch {
      release(lane)
      throw error
    }
    release(lane)
    // No segment is left. Room in other lanes' segments still is: a full store deletes from it.
    for other in 0..<laneCount {
      lock(other).lock()
      if hasRoom(other, bytes: bytes) { return other }
      release(other)
    }
    throw .full
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
    // Credit that idle lanes hold is room that nobody uses.
    for other in 0..<laneCount where other != lane && lock(other).tryLock() {
      let idle = unsafe self[other]
      unsafe space.returnCredit(lines: idle.pointee.credit)
      unsafe idle.pointee.credit = 0
      release(other)
    }
    guard let granted = space.takeCredit(lines: missing, chunk: Self.creditChunk) else { return false }
    unsafe state.pointee.credit += granted
    return true
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
    try unsafe medium.barrier(self[lane].pointee.dirty, site: .seal)
    unsafe self[lane].pointee.isSettled = true
  }
}
