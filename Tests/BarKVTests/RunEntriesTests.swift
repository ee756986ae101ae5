import Testing

@testable import BarKV

/// Sorting and merging of the index's entries, against the simplest way to do it.
@Suite struct RunEntriesTests {
  /// How places may be spread: as hashes are, in one corner, and the same few again and again.
  private enum Spread: CaseIterable {
    case even, narrow, hot

    func key(_ generator: inout SeededGenerator) -> UInt64 {
      switch self {
      case .even: generator.next() % RunEntry.keyLimit
      case .narrow: RunEntry.keyLimit / 3 + generator.next() % 5000
      case .hot: generator.oneIn(10) ? generator.next() % RunEntry.keyLimit : UInt64(generator.below(3)) << 30
      }
    }
  }

  private struct Slot: Hashable {
    var key: UInt64
    var line: Int
  }

  /// Slots that came and went, in any order: a slot comes once, goes once, or both.
  private func changes(_ count: Int, _ spread: Spread, _ generator: inout SeededGenerator) -> [RunEntry] {
    var changes: [RunEntry] = []
    for line in 0..<count {
      let key = spread.key(&generator)
      let (came, went) = [(true, false), (false, true), (true, true)][generator.below(3)]
      if came { changes.append(RunEntry(key: key, state: UInt64(line) << 1)) }
      if went { changes.append(RunEntry(key: key, state: UInt64(line) << 1 | 1)) }
    }
    for position in changes.indices.dropFirst() where generator.oneIn(2) {
      changes.swapAt(position, generator.below(position))
    }
    return changes
  }

  /// Some rounds of each spread.
  private func forEachSpread(
    _ test: String = #function, _ body: (UInt64, Spread, inout SeededGenerator) -> Void
  ) {
    for seed in Seeds.rounds(3) {
      Seeds.announce(seed, test)
      var generator = SeededGenerator(seed: seed)
      for spread in Spread.allCases { body(seed, spread, &generator) }
    }
  }

  /// What settled changes are, whoever settles them, however many threads do.
  @Test func settledChangesHaveEachSlotOnce() {
    forEachSpread { seed, spread, generator in
      for count in [0, 1, 50, 3000, 40_000] {
        let changes = changes(count, spread, &generator)
        let went = Set(changes.filter(\.isGone).map { Slot(key: $0.key, line: $0.line) })
        let came = Set(changes.filter { !$0.isGone }.map { Slot(key: $0.key, line: $0.line) })
        let expected = changes.filter { change in
          let slot = Slot(key: change.key, line: change.line)
          return came.contains(slot) != went.contains(slot)
        }.sorted { $0.precedes($1) }
        for threads in [1, 2, 3, 8] {
          var settled = changes
          RunEntries.settle(&settled, threads: threads)
          #expect(settled == expected, "seed \(seed), \(count) slots, \(spread), \(threads) threads")
        }
      }
    }
  }

  /// What several runs say of one slot stays in the order of the runs.
  @Test func sortingBySlotKeepsTheOrderOfOneSlot() {
    forEachSpread { seed, spread, generator in
      for count in [2, 60, 70, 5000] {
        var entries = (0..<count).map { _ in
          RunEntry(key: spread.key(&generator), state: UInt64(generator.below(8)))
        }
        let expected = entries.sorted { ($0.key, $0.state >> 1) < ($1.key, $1.state >> 1) }
        RunEntries.sortBySlot(&entries)
        #expect(entries == expected, "seed \(seed), \(count) entries, \(spread)")
      }
    }
  }

  /// The newer list is right about the slots that both name, and what is gone is not kept where nothing is older.
  @Test func theNewerListIsRight() {
    forEachSpread { seed, spread, generator in
      func list(_ count: Int) -> [RunEntry] {
        var list: [Slot: RunEntry] = [:]
        for _ in 0..<count {
          let entry = RunEntry(key: spread.key(&generator) % 4096, state: UInt64(generator.below(8)))
          list[Slot(key: entry.key, line: entry.line)] = entry
        }
        return list.values.sorted { $0.precedes($1) }
      }
      let (newer, older) = (list(generator.below(2000)), list(generator.below(2000)))
      var right = Dictionary(uniqueKeysWithValues: older.map { (Slot(key: $0.key, line: $0.line), $0) })
      for entry in newer { right[Slot(key: entry.key, line: entry.line)] = entry }
      for dropsGone in [true, false] {
        let expected = right.values.filter { !dropsGone || !$0.isGone }.sorted { $0.precedes($1) }
        let merged = RunEntries.merge(newer: newer, older: older, dropsGone: dropsGone)
        #expect(merged == expected, "seed \(seed), \(spread)")
      }
    }
  }
}
