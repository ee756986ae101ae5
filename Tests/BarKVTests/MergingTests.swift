import Testing

@testable import BarKV

/// Merging of delta runs into base runs.
@Suite struct MergingTests {
  /// No checkpoint writes all of the base anew: a writer that waits for it would wait for all of that.
  @Test func eachCheckpointMergesItsShare() throws {
    let file = TemporaryFile()
    var options = StoreOptions()
    options.segmentSize = 128 << 10
    let keys = 120_000
    let store = try Store.create(at: file.address, size: 64 << 20, options: options)
    for number in 0..<keys { try store.put([0], for: key(number), durability: .deferred) }
    var generator = SeededGenerator(seed: 20_261_127)
    let maintenance = store.maintenance
    var rewritten = 0
    for round in 1...60 {
      for _ in 0..<1_000 { try store.put([UInt8(round)], for: key(generator.below(keys)), durability: .deferred) }
      try store.persist()
      try maintenance.turn.withLock { state in
        let before = Set(state.base.map(\.number))
        try maintenance.checkpoint(&state)
        let new = state.base.count { !before.contains($0.number) }
        #expect(state.base.count >= 20)
        // What loading left is merged by the first ones.
        if round > 10 { #expect(new <= state.base.count / 2, "round \(round): \(new) of \(state.base.count)") }
        #expect(state.deltas.count <= maintenance.mostDeltas(state))
        rewritten += new
      }
    }
    #expect(rewritten > 20)
    #expect(store.count == keys)
    try store.expectSound()
    try store.close()
  }
}
