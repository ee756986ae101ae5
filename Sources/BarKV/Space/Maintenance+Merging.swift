/// Merging: what the delta runs say goes into the base runs, until there are few enough of them.
///
/// The base is written anew from one end to the other and then from the beginning again, some runs at a time, each full. So
/// it takes up no more than it needs; what is replaced is always the oldest there is, so the segments of runs come back in
/// the order in which they were filled; and the cost is even.
extension Maintenance {
  /// Merges delta runs, until at most `most` are left; a commit for every few runs.
  func mergeRuns(_ state: inout State, most: Int) throws(StoreError) {
    try mergeRuns(&state) { state, _ in state.deltas.count > most }
  }

  /// Merges the share of the base that is due when `added` delta runs have been written: all of it in the time of as many as
  /// may lie over it, so that no checkpoint, and no writer that waits for one, has all of the base to wait for.
  ///
  /// - Parameter isLater: whether ``mergeStep(_:)`` does it, unless so much has come together that it is waited for.
  func mergeShare(_ state: inout State, added: Int, isLater: Bool) throws(StoreError) {
    let most = mostDeltas(state)
    state.mergingDue += Double(state.base.count * added) / Double(most)
    if isLater, state.deltas.count <= min(2 * most, deltaRoom(state)) { return }
    try mergeRuns(&state) { state, _ in takeDue(&state, most: most) }
  }

  /// Makes a step of the merging that is due; whether anything was merged.
  func mergeStep(_ state: inout State) throws(StoreError) -> Bool {
    let most = mostDeltas(state)
    let before = state.runNumber
    let hasRoom = try mergeRuns(&state) { state, steps in steps == 0 && takeDue(&state, most: most) }
    return hasRoom && state.runNumber != before
  }

  /// Whether a step is due, which is then counted as made.
  private func takeDue(_ state: inout State, most: Int) -> Bool {
    guard !state.deltas.isEmpty else {
      state.mergingDue = 0
      return false
    }
    if state.mergingDue >= Double(Self.runsPerStep) {
      state.mergingDue -= Double(Self.runsPerStep)
      return true
    }
    // Where that was not enough, as after an opening: how far merging had come is not kept.
    return state.deltas.count > most
  }

  /// So many base runs are written anew by one commit.
  private static var runsPerStep: Int { 3 }

  /// Writes base runs anew, the oldest ones, a step at a time as long as `isDue` says so; it is told how many were done. All of
  /// the base twice over is the most.
  ///
  /// - Returns: whether there was room for all of them.
  @discardableResult
  private func mergeRuns(_ state: inout State, while isDue: (inout State, Int) -> Bool) throws(StoreError) -> Bool {
    var steps = 0
    while steps < 2 * state.base.count + 2, isDue(&state, steps) {
      steps += 1
      guard var manifest = state.manifest, manifest.checkpoint != nil else { return false }
      var (base, runNumber) = (state.base, state.runNumber)
      var written = WrittenRuns()
      do throws(StoreError) {
        let count = log.space.freeCount > 3 ? Self.runsPerStep : 2
        try rewriteOldest(&base, deltas: state.deltas, count: count, &runNumber, &written)
        try settle(written)
      } catch {
        guard error == .full else { throw error }
        state.runNumber = runNumber
        leaveRuns(&state)
        release(&state)
        return false
      }
      let absorbed = base.map(\.number).min() ?? 0
      var deltas = state.deltas.filter { $0.number > absorbed }
      if Mutant.dropsUnabsorbedRun.isActive { deltas = Array(state.deltas.dropFirst()) }
      state.runNumber = runNumber
      manifest.checkpoint?.runNumber = runNumber
      manifest.checkpoint?.runs = (base + deltas).map(\.reference)
      try commit(&manifest, &state)
      replaceRuns(&state, base: base, deltas: deltas)
      loader.publish(RunSet(medium: medium, geometry: geometry, base: base, deltas: deltas.reversed()))
      leaveRuns(&state)
      release(&state)
    }
    return true
  }

  /// Writes the oldest base runs anew, `count` runs or up to the end of all places.
  private func rewriteOldest(
    _ base: inout [Run], deltas: [Run], count: Int, _ runNumber: inout UInt64, _ written: inout WrittenRuns
  ) throws(StoreError) {
    guard let oldest = base.indices.min(by: { base[$0].number < base[$1].number }), let newest = deltas.last,
      base[oldest].number < newest.number
    else { return }
    let set = RunSet(medium: medium, geometry: geometry, base: base, deltas: deltas.reversed())
    let wanted = count * geometry.entriesPerRun
    var entries: [RunEntry] = []
    var end = oldest
    while end < base.count, entries.count <= wanted {
      // As many as will do if the delta runs take out as much as they add.
      let first = end
      var expected = entries.count
      while end < base.count, expected <= wanted {
        expected += base[end].entryCount
        end += 1
      }
      try appendSlots(of: base[first..<end].map(\.reach), in: set, to: &entries)
    }
    let range = base[oldest].start..<base[end - 1].range.upperBound
    let runs = try write(
      entries, range: range, isBase: true, leavesRest: end < base.count, number: &runNumber, &written)
    guard let upper = runs.last?.range.upperBound else { return }
    var replaced = oldest
    while replaced < end, base[replaced].range.upperBound <= upper { replaced += 1 }
    // Of the one in the middle of which they end, what is behind that stays in force.
    if replaced < end { base[replaced].start = upper }
    base.replaceSubrange(oldest..<replaced, with: runs)
  }

  /// Adds what the index has in ranges that follow one another, each worked out by a thread where there are several.
  private func appendSlots(
    of ranges: [Range<UInt64>], in set: RunSet, to entries: inout [RunEntry]
  ) throws(StoreError) {
    let parts = parallelMap(ranges.count, least: 2, threads: mergingThreads) {
      number -> Result<[RunEntry], StoreError> in
      do throws(StoreError) { return .success(try set.slots(ranges[number])) } catch { return .failure(error) }
    }
    for part in parts { entries += try part.get() }
  }

  /// So many checkpoints may have delta runs over one place at most. Each is a look for a get whose partition is not in
  /// memory, some 4 us of it; each more lets the base be written anew after more changes.
  private static var mostCheckpoints: Int { 16 }

  /// How many delta runs may lie over the base: as many as have half of its entries, at least one, and at most those of
  /// sixteen checkpoints.
  func mostDeltas(_ state: State) -> Int {
    let each = max(1, entries(state.deltas) / max(1, state.deltas.count))
    // A checkpoint's runs cover all places, one behind the other.
    let checkpoints = max(1, state.deltas.count { $0.range.lowerBound == 0 })
    let runsPerCheckpoint = (state.deltas.count + checkpoints - 1) / checkpoints
    return max(
      1, min(Self.mostCheckpoints * runsPerCheckpoint, entries(state.base) / 2 / each, deltaRoom(state)))
  }

  /// How many delta runs a manifest has room for.
  private func deltaRoom(_ state: State) -> Int {
    Manifest.runCapacity(segmentCount: geometry.segmentCount) - state.base.count - 8
  }
}
