import Synchronization
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Every call that can fail, by name: what a store that was closed, lost or opened read-only answers is asked of all.
func everyCall(on store: Store) -> [(name: String, writes: Bool, call: () throws -> Void)] {
  var batch = Batch()
  batch.put("new", for: "key")
  let none: [UInt8]? = nil
  let long = [UInt8](repeating: 1, count: min(10_000, store.limits.maximumValueLength))
  return [
    ("put", true, { try store.put("new", for: "key") }),
    ("put of a long value", true, { try store.put(long, for: "key") }),
    ("deferred put", true, { try store.put("new", for: "key", durability: .deferred) }),
    ("delete", true, { try store.delete("key") }),
    ("deferred delete", true, { try store.delete("key", durability: .deferred) }),
    ("batch", true, { try store.write(batch) }),
    ("empty batch", true, { try store.write(Batch()) }),
    ("compareAndSwap", true, { _ = try store.compareAndSwap("key", expected: none, new: "new") }),
    ("update", true, { try store.update("key") { _ in .put([1]) } }),
    ("update that throws", true, { try store.update("key") { _ throws -> Update in .put([1]) } }),
    ("persist", true, { try store.persist() }),
    ("get", false, { _ = try store.get("key") }),
    ("getString", false, { _ = try store.getString("key") }),
    ("contains", false, { _ = try store.contains("key") }),
    ("withValue", false, { _ = try store.withValue(of: "key") { $0.byteCount } }),
    ("withValue that throws", false, { _ = try store.withValue(of: "key") { (span) throws in span.byteCount } }),
    ("forEach", false, { try store.forEach { (_: RawSpan, _: RawSpan) -> Void in } }),
    ("forEach that throws", false, { try store.forEach { (_: RawSpan, _: RawSpan) throws -> Void in } }),
    ("verify", false, { _ = try store.verify() }),
  ]
}

/// The end of a store's use.
@Suite struct LifecycleTests {
  private let region = Region(size: 1 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
    try store.put("value", for: "key")
  }

  @Test func useAfterClose() throws {
    try store.close()
    let closed = region.image
    for (name, _, call) in everyCall(on: store) { #expect(storeError(call) == .closed, "\(name)") }
    // What does not throw does not trap.
    #expect(store.count == 1)
    #expect(store.statistics.keyCount == 1)
    #expect(store.limits.maximumKeyLength == 65_535)
    // A second close does nothing.
    try store.close()
    #expect(region.image == closed)
  }

  @Test func whatACloseLeaves() throws {
    try store.close()
    let again = try region.open()
    #expect(again.recovery.wasClosed)
    #expect(again.recovery.damageCount == 0 && again.recovery.tornTailCount == 0)
    #expect(try again.getString("key") == "value")
    // Without a close the next owner knows.
    #expect(try !region.copy().open().recovery.wasClosed)
  }

  @Test func closeInsideARead() throws {
    let store = store
    try store.withValue(of: "key") { _ in
      #expect(storeError { try store.close() } == .closedInsideRead)
      try store.withValue(of: "key") { _ in #expect(storeError { try store.close() } == .closedInsideRead) }
      #expect(storeError { try store.close() } == .closedInsideRead)
    }
    try store.forEach { (_: RawSpan, _: RawSpan) throws -> Void in
      #expect(storeError { try store.close() } == .closedInsideRead)
    }
    try store.put("still", for: "key")
    #expect(try store.getString("key") == "still")
    try store.close()
  }

  @Test func anotherStoreCanBeClosedInsideARead() throws {
    let other = try Region(size: 1 << 20).create()
    try store.withValue(of: "key") { _ in try other.close() }
  }

  @Test func theLastReferenceCloses() throws {
    let file = TemporaryFile()
    do {
      let store = try Store.create(at: file.address, size: 1 << 20)
      try store.put("value", for: "key")
    }
    let again = try Store.open(at: file.address)
    #expect(again.recovery.wasClosed)
    #expect(try again.getString("key") == "value")
  }

  @Test func closeWhileOthersWork() throws {
    for round in 0..<10 {
      let region = Region(size: 4 << 20)
      let store = try region.create()
      let acknowledged = Locked<Contents>([:])
      let started = Atomic<Int>(0)
      try Threads.run(4) { thread in
        guard thread > 0 else {
          while started.load(ordering: .relaxed) < 50 * (round + 1) {}
          return try store.close()
        }
        for number in 0..<1_000_000 {
          let number = thread * 1_000_000 + number
          started.add(1, ordering: .relaxed)
          do {
            try store.put(value(number, length: 40), for: key(number))
            acknowledged.withLock { $0[key(number)] = value(number, length: 40) }
            #expect(try store.get(key(number)) != nil)
          } catch StoreError.closed {
            return
          }
        }
      }
      let again = try region.open()
      #expect(again.recovery.wasClosed)
      let found = again
      for (key, value) in acknowledged.withLock({ $0 }) { #expect(try found.get(key) == value) }
      try again.expectSound()
    }
  }

  @Test func closeWaitsForReaders() throws {
    let store = store
    let inside = Atomic<Int>(0)
    let closed = Atomic<Bool>(false)
    try Threads.run(2) { thread in
      if thread == 0 {
        try store.withValue(of: "key") { value in
          inside.store(1, ordering: .releasing)
          // Long enough for the other thread to be at its close, most of the time.
          for _ in 0..<1000 { sched_yield() }
          #expect(array(value) == Array("value".utf8))
          let isClosed = closed.load(ordering: .acquiring)
          #expect(!isClosed)
        }
      } else {
        while inside.load(ordering: .acquiring) == 0 {}
        try store.close()
        closed.store(true, ordering: .releasing)
      }
    }
  }
}
