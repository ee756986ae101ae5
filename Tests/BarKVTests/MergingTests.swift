import Testing

@testable import BarKV

/// Merging of delta runs into base runs.
@Suite struct MergingTests {
  private let file = TemporaryFile()
  private let keys = 120_000

  /// A store with some twenty base runs.
  private func makeStore() throws -> Store {
    var options = StoreOptions()
    options.segmentSize = 128 << 10
    let store = try Store.create(at: file.address, size: 64 << 20, options: options)
    for number in 0..<keys { try store.put([0], for: key(number), durability: .deferred) }
    return store
  }

  /// Overwrites some keys, then calls `body` with the turn, sixty times; it says how many base runs it had written anew.
  private func overwrite(seed: UInt64, _ body: (Int, Maintenance, inout Maintenance.State) throws -> Int) throws {
    let store = try makeStore()
    var generator = SeededGenerator(seed: seed)
    var rewritten = 0
    for round in 1...60 {
      for _ in 0..<1_000 { try store.put([UInt8(round)], for: key(generator.below(keys)), durability: .deferred) }
      try store.persist()
      try store.maintenance.turn.withLock { state in
        rewritten += try body(round, store.maintenance, &state)
        #expect(state.deltas.count <= store.maintenance.mostDeltas(state))
      }
    }
    #expect(rewritten > 20)
    #expect(store.count == keys)
    try store.expectSound()
    try store.close()
  }

  /// No checkpoint writes all of the base anew: a writer that waits for it would wait for all of that.
  @Test func eachCheckpointMergesItsShare() throws {
    try overwrite(seed: 20_261_127) { round, maintenance, state in
      let before = Set(state.base.map(\.number))
      try maintenance.checkpoint(&state)
      let new = state.base.count { !before.contains($0.number) }
      #expect(state.base.count >= 20)
      // What loading left is merged by the first ones.
      if round > 10 { #expect(new <= state.base.count / 2, "round \(round): \(new) of \(state.base.count)") }
      return new
    }
  }

  /// Whoever waits for the worker's checkpoint does not wait for merging: that is left to steps, each of a few runs.
  @Test func mergingIsLeftToSteps() throws {
    try overwrite(seed: 20_261_128) { round, maintenance, state in
      let before = state.base.map(\.number)
      try maintenance.checkpoint(&state, mergesLater: true)
      // What loading left is too much to be left.
      if round > 10 { #expect(state.base.map(\.number) == before, "round \(round)") }
      var last = Set(state.base.map(\.number))
      var (steps, rewritten) = (0, 0)
      while try maintenance.mergeStep(&state) {
        steps += 1
        let new = state.base.count { !last.contains($0.number) }
        #expect(new > 0 && new <= 6, "round \(round): \(new) runs by one step")
        last = Set(state.base.map(\.number))
        rewritten += new
      }
      if round > 10 { #expect(steps <= state.base.count / 3) }
      return rewritten
    }
  }
}
