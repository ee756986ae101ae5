import Synchronization
import Testing

@testable import BarKV

/// Compare-and-swap and update.
@Suite struct ConditionalTests {
  private static let none: [UInt8]? = nil
  private let region = Region(size: 1 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
  }

  @Test func absentToAbsent() throws {
    let before = region.image
    #expect(try store.compareAndSwap("key", expected: Self.none, new: Self.none))
    #expect(region.image == before)
    try store.put("old", for: "key")
    #expect(try !store.compareAndSwap("key", expected: Self.none, new: Self.none))
    #expect(try store.getString("key") == "old")
  }

  @Test func absentToPresent() throws {
    #expect(try store.compareAndSwap("key", expected: Self.none, new: "new"))
    #expect(try store.getString("key") == "new")
    #expect(try !store.compareAndSwap("key", expected: Self.none, new: "newer"))
    #expect(try store.getString("key") == "new")
    #expect(store.count == 1)
  }

  @Test func presentToAbsent() throws {
    #expect(try !store.compareAndSwap("key", expected: "old", new: Self.none))
    try store.put("old", for: "key")
    #expect(try !store.compareAndSwap("key", expected: "older", new: Self.none))
    #expect(try store.compareAndSwap("key", expected: "old", new: Self.none))
    #expect(try store.get("key") == nil)
    #expect(store.count == 0)
    #expect(try region.copy().open().get("key") == nil)
  }

  @Test func presentToPresent() throws {
    #expect(try !store.compareAndSwap("key", expected: "old", new: "new"))
    #expect(store.count == 0)
    try store.put("old", for: "key")
    for wrong in ["", "ol", "olD", "older"] {
      #expect(try !store.compareAndSwap("key", expected: wrong, new: "new"))
    }
    #expect(try store.getString("key") == "old")
    #expect(try store.compareAndSwap("key", expected: "old", new: "new"))
    #expect(try store.getString("key") == "new")
    #expect(try region.copy().open().getString("key") == "new")
  }

  @Test func emptyIsNotAbsent() throws {
    #expect(try !store.compareAndSwap("key", expected: "", new: "new"))
    #expect(try store.compareAndSwap("key", expected: Self.none, new: ""))
    #expect(try store.get("key") == [])
    #expect(try !store.compareAndSwap("key", expected: Self.none, new: "new"))
    #expect(try store.compareAndSwap("key", expected: "", new: "new"))
  }

  @Test func valuesInExtents() throws {
    let first = value(1, length: 9000)
    var almost = first
    almost[8999] ^= 1
    #expect(try store.compareAndSwap("key", expected: Self.none, new: first))
    #expect(try !store.compareAndSwap("key", expected: almost, new: "new"))
    #expect(try store.compareAndSwap("key", expected: first, new: almost))
    #expect(isSame(try store.get("key"), almost))
    #expect(try store.compareAndSwap("key", expected: almost, new: "small"))
    #expect(try store.getString("key") == "small")
  }

  @Test func whatChangesNothingMakesNoBarrier() throws {
    try store.put("old", for: "key")
    let before = store.statistics.barrierCount
    _ = try store.compareAndSwap("key", expected: "wrong", new: "new")
    _ = try store.compareAndSwap("absent", expected: Self.none, new: Self.none)
    try store.update("key") { _ in .keep }
    #expect(store.statistics.barrierCount == before)
    _ = try store.compareAndSwap("key", expected: "old", new: "new")
    #expect(store.statistics.barrierCount == before + 1)
  }

  @Test func update() throws {
    try store.update("key") { current in
      #expect(current == nil)
      return .put([1])
    }
    try store.update("key") { current in
      #expect(current == [1])
      return .keep
    }
    #expect(try store.get("key") == [1])
    try store.update("key") { .put(($0 ?? []) + [2]) }
    #expect(try store.get("key") == [1, 2])
    try store.update("key") { current in
      #expect(current == [1, 2])
      return .delete
    }
    #expect(try !store.contains("key"))
    try store.update("key") { _ in .delete }
    try store.update("key") { _ in .keep }
    #expect(store.count == 0)
  }

  @Test func aThrowingUpdateChangesNothing() throws {
    struct Stop: Error {}
    try store.put("old", for: "key")
    let before = region.image
    #expect(throws: Stop.self) {
      try store.update("key") { _ throws -> Update in throw Stop() }
    }
    #expect(region.image == before)
    #expect(try store.getString("key") == "old")
    // Nothing is held: the next update works.
    try store.update("key") { _ throws -> Update in .put([1]) }
    #expect(try store.get("key") == [1])
  }

  @Test func anUpdateThatIsOvertakenStartsAgain() throws {
    try store.put("1", for: "key")
    let store = store
    var seen: [String] = []
    try store.update("key") { current in
      let text = String(decoding: current ?? [], as: UTF8.self)
      seen.append(text)
      // Another write comes in between, once.
      if seen.count == 1 { #expect(throws: Never.self) { try store.put("2", for: "key") } }
      return .put(Array((text + "!").utf8))
    }
    #expect(seen == ["1", "2"])
    #expect(try store.getString("key") == "2!")
  }

  @Test func countersAddUp() throws {
    let store = store
    let rounds = 250
    let swaps = Atomic<Int>(0)
    try Threads.run(4) { thread in
      for _ in 0..<rounds {
        try store.update("shared") { current in .put(key(number(current) + 1)) }
        try store.update("own \(thread)") { current in .put(key(number(current) + 1)) }
        let current = try store.get("swapped")
        if try store.compareAndSwap("swapped", expected: current, new: key(number(current) + 1)) {
          swaps.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(number(try store.get("shared")) == 4 * rounds)
    for thread in 0..<4 { #expect(number(try store.get("own \(thread)")) == rounds) }
    #expect(number(try store.get("swapped")) == swaps.load(ordering: .relaxed))
    let after = try region.copy().open()
    #expect(number(try after.get("shared")) == 4 * rounds)
  }
}

/// The number that ``key(_:)`` made into bytes; 0 where there are none.
private func number(_ bytes: [UInt8]?) -> Int {
  (bytes ?? []).reduce(0) { $0 << 8 | Int($1) }
}
