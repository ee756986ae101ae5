import Synchronization
import Testing

@testable import BarKV

/// A full store refuses puts with ``StoreError/full`` and nothing else, keeps what it acknowledged, and still deletes
/// every key, in whatever order, whatever was tried in between.
@Suite struct FullStoreTests {
  /// What a store is filled with.
  struct Filling: Sendable, CustomTestStringConvertible {
    var size: Int
    var keyLengths: ClosedRange<Int>
    var valueLengths: ClosedRange<Int>
    var threads: Int
    var segmentSize: Int?

    var testDescription: String {
      "\(size) bytes in \(segmentSize.map { "segments of \($0)" } ?? "segments"), keys \(keyLengths), values \(valueLengths), \(threads) threads"
    }
  }

  static let fillings: [Filling] = [16 << 10, 64 << 10, 1 << 20, 16 << 20].flatMap { size in
    [1, 4].flatMap { threads in
      [
        // Many keys, and few; values in records, in extents, in both; tombstones of one line, and of several.
        Filling(
          size: size, keyLengths: 4...4, valueLengths: size > 1 << 20 ? 500...1500 : 0...8, threads: threads),
        Filling(size: size, keyLengths: 4...16, valueLengths: 0...size / 16, threads: threads),
        Filling(size: size, keyLengths: 4...(size > 64 << 10 ? 5000 : 700), valueLengths: 0...300, threads: threads),
      ]
    }
  }

  static let fillingsOfManySegments: [Filling] = [1, 4].flatMap { threads in
    [
      // So many segments that the index is merged in parts, not written anew.
      Filling(size: 256 << 10, keyLengths: 4...4, valueLengths: 0...8, threads: threads, segmentSize: 1 << 10),
      Filling(size: 256 << 10, keyLengths: 4...600, valueLengths: 0...4096, threads: threads, segmentSize: 1 << 10),
    ]
  }

  /// Where not all can be run, those in which something can race are.
  static var allFillings: [Filling] {
    (fillings + fillingsOfManySegments).filter { Seeds.share == 1 || ($0.threads > 1 && $0.size <= 1 << 20) }
  }

  @Test(arguments: allFillings) func everyKeyCanBeDeleted(filling: Filling) throws {
    for seed in Seeds.rounds(filling.size <= 64 << 10 ? 12 : 1) {
      Seeds.announce(seed)
      var run = try FullStoreRun(filling, seed: seed)
      try run.fill()
      try run.useAtItsLimit()
      try run.deleteAll()
    }
  }

  /// A store at its limit, on which many kinds of writes are refused.
  @Test func refusalsChangeNothing() throws {
    let region = Region(size: 64 << 10)
    let store = try region.create()
    var contents: Contents = [:]
    for number in 0... {
      if storeError({ try store.put("x", for: key(number)) }) == .full { break }
      contents[key(number)] = Array("x".utf8)
    }
    let before = store.statistics
    let long = value(1, length: 2000)
    for number in 100_000..<100_200 {
      var batch = Batch()
      batch.put("x", for: key(0))
      batch.put("x", for: key(number))
      let ways: [() throws -> Void] = [
        { try store.put("x", for: key(number)) },
        { try store.put(long, for: key(number)) },
        { try store.write(batch) },
        { _ = try store.compareAndSwap(key(number), expected: nil as [UInt8]?, new: "x") },
        { try store.update(key(number)) { _ in .put([1]) } },
      ]
      for (number, way) in ways.enumerated() { #expect(storeError(way) == .full, "way \(number)") }
    }
    let after = store.statistics
    #expect(after.keyCount == before.keyCount && after.liveBytes == before.liveBytes)

    try store.expect(contents)
    try region.copy().open().expect(contents)
  }

  @Test func deferredWritesThatDoNotFit() throws {
    let region = Region(size: 64 << 10)
    var options = StoreOptions()
    options.deferredBytes = 1000
    let store = try region.create(options: options)
    var contents: Contents = [:]
    for number in 0... {
      if storeError({ try store.put("x", for: key(number)) }) == .full { break }
      contents[key(number)] = Array("x".utf8)
    }
    // They are accepted as long as the buffer takes them, and refused from then on.
    var error: StoreError?
    for number in 100_000..<100_100 where error == nil {
      error = storeError { try store.put("x", for: key(number), durability: .deferred) }
    }
    #expect(error == .full)
    #expect(storeError { try store.persist() } == .full)
    try store.expect(contents, absent: [key(100_000)])
    // Closing says that they are lost, and closes.
    #expect(storeError { try store.close() } == .full)
    #expect(storeError { _ = try store.get(key(0)) } == .closed)
    try region.copy().open().expect(contents, absent: [key(100_000)])
  }
}

/// One store that is filled, changed and emptied, and what it should hold.
private struct FullStoreRun {
  private let filling: FullStoreTests.Filling
  private let seed: UInt64
  private var generator: SeededGenerator
  private var region: Region
  private var store: Store
  /// What was acknowledged.
  private var contents: Contents = [:]
  /// Tells new keys apart.
  private var nextKey = 0

  init(_ filling: FullStoreTests.Filling, seed: UInt64) throws {
    self.filling = filling
    self.seed = seed
    generator = SeededGenerator(seed: seed)
    region = Region(size: filling.size)
    store = try region.create(segmentSize: filling.segmentSize, seed: seed)
  }

  /// Puts new keys from all threads until each was refused several times.
  mutating func fill() throws {
    let acknowledged = Locked<Contents>([:])
    let (store, filling, seed, first) = (store, filling, seed, nextKey)
    try Threads.run(filling.threads) { thread in
      var generator = SeededGenerator(seed: seed &+ UInt64(thread) &+ UInt64(first))
      var mine: Contents = [:]
      var number = first + thread
      var refusals = 0
      while refusals < 10 {
        let entry = Self.entry(number, filling, using: &generator, shorter: refusals)
        do throws(StoreError) {
          try store.put(entry.value, for: entry.key)
          mine[entry.key] = entry.value
        } catch {
          #expect(error == .full)
          refusals += 1
        }
        number += filling.threads
      }
      acknowledged.withLock { $0.merge(mine) { $1 } }
    }
    contents.merge(acknowledged.withLock { $0 }) { $1 }
    nextKey = first + 1_000_000
    try check("filled")
  }

  /// What a full store may go through before it is emptied: nothing, or several of these.
  mutating func useAtItsLimit() throws {
    for _ in 0..<generator.below(5) {
      switch generator.below(4) {
      case 0: try reopen()
      case 1: try changeByBatches()
      case 2: try change()
      default: try fill()
      }
    }
  }

  /// Overwrites, deletes and puts at random; overwrites and puts may be refused as full, deletes may not.
  private mutating func change() throws {
    let changes = Locked<[[UInt8]: [UInt8]?]>([:])
    let keys = contents.keys.sorted { $0.lexicographicallyPrecedes($1) }.shuffled(using: &generator)
    let (store, filling, seed, first) = (store, filling, generator.next(), nextKey)
    try Threads.run(filling.threads) { thread in
      var generator = SeededGenerator(seed: seed &+ UInt64(thread))
      var mine: [[UInt8]: [UInt8]?] = [:]
      var number = first + thread
      // A third of the keys, each by one thread.
      for key in keys.prefix(keys.count / 3).enumerated().filter({ $0.offset % filling.threads == thread }).map(
        \.element)
      {
        switch generator.below(4) {
        case 0:
          #expect(try store.delete(key))
          mine[key] = .some(nil)
        case 1:
          let entry = Self.entry(number, filling, using: &generator, shorter: generator.below(10))
          if try isDone({ try store.put(entry.value, for: entry.key) }) { mine[entry.key] = entry.value }
          number += filling.threads
        default:
          let value = Self.entry(0, filling, using: &generator, shorter: generator.below(10)).value
          if try isDone({ try store.put(value, for: key) }) { mine[key] = value }
        }
      }
      let result = mine
      changes.withLock { $0.merge(result) { $1 } }
    }
    for (key, value) in changes.withLock({ $0 }) { contents[key] = value }
    nextKey = first + 1_000_000
    try check("changed")
  }

  /// Deletes and overwrites half of the keys by small batches, which may be refused as full.
  private mutating func changeByBatches() throws {
    let keys = contents.keys.sorted { $0.lexicographicallyPrecedes($1) }.shuffled(using: &generator)
    var rest = keys.prefix(keys.count / 2)
    while !rest.isEmpty {
      var batch = Batch()
      var changes: [[UInt8]: [UInt8]?] = [:]
      let overwrites = generator.oneIn(3)
      for key in rest.prefix(1 + generator.below(3)) {
        if overwrites && generator.oneIn(2) {
          batch.put("1", for: key)
          changes[key] = Array("1".utf8)
        } else {
          batch.delete(key)
          changes[key] = .some(nil)
        }
      }
      rest = rest.dropFirst(3)
      let store = store
      if try isDone({ try store.write(batch) }) {
        for (key, value) in changes { contents[key] = value }
      }
    }
    try check("changed by batches")
  }

  /// Goes on with the store as a close, or a crash, leaves it.
  private mutating func reopen() throws {
    if generator.oneIn(2) {
      try store.close()
    } else {
      region = region.copy()
    }
    store = try region.open()
    try check("opened again")
  }

  /// Deletes every key in random order, from all threads.
  mutating func deleteAll() throws {
    var keys = contents.keys.sorted { $0.lexicographicallyPrecedes($1) }.shuffled(using: &generator)
    // Some before an open, the rest after it.
    let first = keys.prefix(generator.below(keys.count + 1))
    keys.removeFirst(first.count)
    try delete(Array(first))
    try reopen()
    try delete(keys)
    #expect(contents.isEmpty)
    try check("emptied")
    try reopen()
  }

  private mutating func delete(_ keys: [[UInt8]]) throws {
    let (store, threads) = (store, filling.threads)
    try Threads.run(threads) { thread in
      for number in stride(from: thread, to: keys.count, by: threads) {
        let deleted = try store.delete(keys[number])
        #expect(deleted)
      }
    }
    for key in keys { contents[key] = nil }
  }

  private func check(_ when: Comment) throws {
    try store.expect(contents, "seed \(seed), \(when.rawValue)")
    try store.expectSound("seed \(seed), \(when.rawValue)")
    let statistics = store.statistics
    #expect(statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes)
  }

  /// A new key with its number in it, and a value; `shorter` takes from 0 to 10, and the higher the shorter the value.
  private static func entry(
    _ number: Int, _ filling: FullStoreTests.Filling, using generator: inout SeededGenerator, shorter: Int
  ) -> (key: [UInt8], value: [UInt8]) {
    let keyLength = Int.random(in: filling.keyLengths, using: &generator)
    let range = filling.valueLengths
    let length = range.lowerBound + generator.below(range.count) * (10 - shorter) / 10
    let key = key(number) + generator.bytes(keyLength - 4)
    return (key, generator.bytes(length))
  }
}
