import Testing

@testable import BarKV

/// Deferred writes: nothing of them before their barrier, all of them after it, in order.
@Suite struct DeferredTests {
  private let region = Region(size: 1 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
  }

  @Test func invisibleUntilPersisted() throws {
    try store.put("old", for: "present")
    let before = region.image
    try store.put("value", for: "key", durability: .deferred)
    try store.put("new", for: "present", durability: .deferred)
    try store.delete("present", durability: .deferred)
    #expect(try store.get("key") == nil)
    #expect(try !store.contains("key"))
    #expect(try store.getString("present") == "old")
    #expect(store.count == 1)
    #expect(region.image == before)
    let barriers = store.statistics.barrierCount
    try store.persist()
    #expect(store.statistics.barrierCount == barriers + 1)
    let expected: Contents = [Array("key".utf8): Array("value".utf8)]
    try store.expect(expected, absent: [Array("present".utf8)])
    try region.copy().open().expect(expected, absent: [Array("present".utf8)])
    try store.persist()
    #expect(store.statistics.barrierCount == barriers + 1)
  }

  @Test(arguments: 0..<5) func visibleAfterAnotherWrite(way: Int) throws {
    try store.put("there", for: "there")
    try store.put("value", for: "key", durability: .deferred)
    switch way {
    case 0: try store.put("1", for: "other")
    case 1: try store.delete("there")
    case 2:
      var batch = Batch()
      batch.put("1", for: "other")
      try store.write(batch)
    case 3: #expect(try store.compareAndSwap("key", expected: "value", new: "value"))
    default:
      try store.update("key") { current in
        #expect(current == Array("value".utf8))
        return .put(current ?? [])
      }
    }
    #expect(try store.getString("key") == "value")
    #expect(try region.copy().open().getString("key") == "value")
  }

  @Test func order() throws {
    for value in ["1", "2", "3"] { try store.put(value, for: "key", durability: .deferred) }
    try store.delete("gone", durability: .deferred)
    try store.put("1", for: "gone", durability: .deferred)
    try store.delete("gone", durability: .deferred)
    try store.delete("back", durability: .deferred)
    try store.put("here", for: "back", durability: .deferred)
    try store.put("deferred", for: "immediate", durability: .deferred)
    try store.put("immediate", for: "immediate")
    let expected: Contents = [
      Array("key".utf8): Array("3".utf8), Array("back".utf8): Array("here".utf8),
      Array("immediate".utf8): Array("immediate".utf8),
    ]
    try store.expect(expected, absent: [Array("gone".utf8)])
    try region.copy().open().expect(expected, absent: [Array("gone".utf8)])
  }

  @Test func manyUnderOneBarrier() throws {
    // Over more than one segment, and still one barrier each.
    let region = Region(size: 1 << 20)
    let store = try region.create(segmentSize: 128 << 10)
    var contents: Contents = [:]
    let before = store.statistics.barrierCount
    for number in 0..<1000 {
      contents[key(number)] = value(number, length: 20)
      try store.put(value(number, length: 20), for: key(number), durability: .deferred)
    }
    try store.persist()
    #expect(store.statistics.barrierCount == before + 1)
    try store.expect(contents)
  }

  @Test func persistedByClose() throws {
    try store.put("value", for: "key", durability: .deferred)
    try store.close()
    #expect(try region.open().getString("key") == "value")
  }

  @Test func persistedByTheLastReference() throws {
    let region = Region(size: 1 << 20)
    do {
      let store = try region.create()
      try store.put("value", for: "key", durability: .deferred)
    }
    let again = try region.open()
    #expect(try again.getString("key") == "value")
    #expect(again.recovery.wasClosed)
  }

  @Test func lostByACrash() throws {
    try store.put("kept", for: "kept")
    try store.put("value", for: "key", durability: .deferred)
    try region.copy().open().expect([Array("kept".utf8): Array("kept".utf8)], absent: [Array("key".utf8)])
  }

  @Test(arguments: [0, 1, 500, 5000]) func theBufferIsBounded(bytes: Int) throws {
    var options = StoreOptions()
    options.deferredBytes = bytes
    let store = try Region(size: 1 << 20).create(options: options)
    var largest = 0
    for number in 0..<500 {
      try store.put(value(number, length: 50), for: key(number), durability: .deferred)
      largest = max(largest, number + 1 - store.count)
      #expect(store.deferredWrites.buffer.byteCount <= bytes + 100)
    }
    // One more than fits: a buffer takes a write as long as it is not full.
    #expect(largest <= bytes / 50 + 1)
    #expect(bytes > 0 || largest == 1)
    try store.persist()
    #expect(store.count == 500)
  }

  @Test func longValuesAreDurableAtOnce() throws {
    try store.put("small", for: "small", durability: .deferred)
    let bytes = value(1, length: 5000)
    try store.put(bytes, for: "long", durability: .deferred)
    #expect(isSame(try region.copy().open().get("long"), bytes))
    // What was deferred before it came before it.
    #expect(try region.copy().open().getString("small") == "small")
  }

  @Test func deletingWhatIsOnlyDeferred() throws {
    try store.put("value", for: "key", durability: .deferred)
    #expect(try store.delete("key"))
    #expect(try !store.contains("key"))
    try store.put("value", for: "key", durability: .deferred)
    try store.delete("key", durability: .deferred)
    try store.persist()
    #expect(try !store.contains("key"))
    #expect(try !store.delete("absent", durability: .deferred))
    #expect(store.deferredWrites.count.load(ordering: .relaxed) == 0)
  }

  @Test func fromManyThreads() throws {
    var options = StoreOptions()
    options.deferredBytes = 2000
    let region = Region(size: 4 << 20)
    let store = try region.create(options: options)
    try Threads.run(4) { thread in
      for number in 0..<500 {
        let number = thread * 500 + number
        try store.put(value(number, length: 30), for: key(number), durability: .deferred)
        if number % 50 == 0 { try store.persist() }
      }
    }
    try store.persist()
    var contents: Contents = [:]
    for number in 0..<2000 { contents[key(number)] = value(number, length: 30) }
    try store.expect(contents)
    try region.copy().open().expect(contents)
  }
}
