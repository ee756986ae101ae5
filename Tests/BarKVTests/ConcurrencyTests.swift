import Synchronization
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Readers beside writers: no torn value, no value that nobody wrote, no step back. These tests are also what the
/// sanitizers look at.
@Suite struct ConcurrencyTests {
  /// A value that says which write it comes from, and that shows when it is not whole.
  private struct Stamp {
    var key: Int
    var writer: Int
    var version: Int

    /// The value: key, writer, version, length, then bytes that follow from these; its length varies by version.
    func encoded(longest: Int) -> [UInt8] {
      let length = 16 + (version &* 7919 &+ writer &* 31) % longest
      var bytes = [key, writer, version, length].flatMap { BarKVTests.key($0) }
      while bytes.count < length { bytes.append(UInt8(truncatingIfNeeded: bytes.count &* (version + 1) &+ writer)) }
      return bytes
    }

    init(key: Int, writer: Int, version: Int) {
      self.key = key
      self.writer = writer
      self.version = version
    }

    /// Reads a value, and checks each of its bytes.
    init?(_ bytes: [UInt8]) {
      guard bytes.count >= 16 else { return nil }
      let fields = (0..<4).map { field in bytes[field * 4..<field * 4 + 4].reduce(0) { $0 << 8 | Int($1) } }
      (key, writer, version) = (fields[0], fields[1], fields[2])
      guard fields[3] == bytes.count else { return nil }
      for position in 16..<bytes.count
      where bytes[position] != UInt8(truncatingIfNeeded: position &* (version + 1) &+ writer) {
        return nil
      }
    }
  }

  /// Writers that write until they are done, and readers that read as long as they do.
  private static func run(
    writers: Int, readers: Int, write: @escaping @Sendable (Int) throws -> Void,
    read: @escaping @Sendable (Int, () -> Bool) throws -> Void
  ) throws {
    let working = Atomic<Int>(writers)
    try Threads.run(writers + readers) { thread in
      if thread < writers {
        defer { working.subtract(1, ordering: .releasing) }
        try write(thread)
      } else {
        try read(thread - writers) { working.load(ordering: .acquiring) > 0 }
      }
    }
  }

  /// Without a budget for the index in memory, parts of it come and go under the readers, as checkpoints let them.
  @Test(arguments: [false, true], [Int.max, 0]) func noTornValuesAndNoStepBack(
    sharesBarriers: Bool, indexBytes: Int
  ) throws {
    let size = 32 << 20
    var options = StoreOptions()
    options.indexBytes = indexBytes
    let store = try Store.create(
      on: Medium.memory(image: [UInt8](repeating: 0, count: size), sharesBarriers: sharesBarriers),
      geometry: Geometry(regionBytes: size, segmentSize: nil), path: "memory", options: options)
    let keys = 16
    let rounds = 600
    try Self.run(writers: 4, readers: 2) { writer in
      for version in 1...rounds {
        // A key of its own, and one that all write; now and then in an extent.
        for key in [writer, 4 + version % (keys - 4)] {
          let stamp = Stamp(key: key, writer: writer, version: version)
          try store.put(stamp.encoded(longest: version % 50 == 0 ? 6000 : 300), for: BarKVTests.key(key))
        }
        // What this thread wrote is there.
        let own = try store.get(BarKVTests.key(writer)).flatMap { Stamp($0) }
        #expect(own?.version == version)
      }
    } read: { reader, isGoingOn in
      var last: [Int: Int] = [:]
      var generator = SeededGenerator(seed: UInt64(reader))
      while isGoingOn() {
        // Alone, or among others that are asked for at once.
        let key = generator.below(keys)
        let others = (0..<[0, 20][generator.below(2)]).map { BarKVTests.key(($0 * 3 + key) % (keys + 2)) }
        let found =
          others.isEmpty
          ? try store.get(BarKVTests.key(key)) : try store.values(for: others + [BarKVTests.key(key)])[others.count]
        guard let bytes = found else {
          #expect(last[key * 4] == nil || key >= 4, "a key vanished")
          continue
        }
        guard let stamp = Stamp(bytes), stamp.key == key, stamp.writer < 4, key >= 4 || stamp.writer == key else {
          Issue.record("a value that nobody wrote: \(bytes.prefix(16))")
          return
        }
        // Each writer's values come in their order.
        let before = last[key * 4 + stamp.writer] ?? 0
        if key < 4 {
          #expect(stamp.version >= before)
        } else if stamp.version < before {
          Issue.record("key \(key): version \(stamp.version) of writer \(stamp.writer) after \(before)")
        }
        last[key * 4 + stamp.writer] = stamp.version
      }
    }
    for key in 0..<4 { #expect(try store.get(BarKVTests.key(key)).flatMap { Stamp($0) }?.version == rounds) }
    try store.expectSound()
  }

  @Test func batchesInTheirOrder() throws {
    let region = Region(size: 16 << 20)
    let store = try region.create()
    try Self.run(writers: 2, readers: 2) { writer in
      for version in 1...300 {
        var batch = Batch()
        for key in 0..<8 {
          let stamp = Stamp(key: key, writer: writer, version: version)
          batch.put(stamp.encoded(longest: 200), for: BarKVTests.key(writer * 8 + key))
        }
        try store.write(batch)
        // The whole batch shows when its call has returned.
        for key in 0..<8 {
          let found = try store.get(BarKVTests.key(writer * 8 + key)).flatMap { Stamp($0) }
          #expect(found?.version == version)
        }
      }
    } read: { reader, isGoingOn in
      let first = reader * 8
      while isGoingOn() {
        // A batch shows from its first key to its last, so what a reader meets from the last to the first only grows.
        var before = 0
        for key in (0..<8).reversed() {
          guard let bytes = try store.get(BarKVTests.key(first + key)) else {
            #expect(before == 0, "a part of a batch is missing")
            continue
          }
          let stamp = Stamp(bytes)
          #expect(stamp != nil)
          #expect((stamp?.version ?? 0) >= before)
          before = stamp?.version ?? before
        }
      }
    }
    let after = try region.copy().open()
    for key in 0..<16 { #expect(try after.get(BarKVTests.key(key)).flatMap { Stamp($0) }?.version == 300) }
  }

  @Test func viewsStayAsTheyAre() throws {
    let store = try Region(size: 16 << 20).create()
    for key in 0..<4 { try store.put(Stamp(key: key, writer: 0, version: 0).encoded(longest: 300), for: "\(key)") }
    try Self.run(writers: 2, readers: 2) { writer in
      for version in 1...1000 {
        let key = version % 4
        try store.put(Stamp(key: key, writer: writer, version: version).encoded(longest: 300), for: "\(key)")
        if version % 10 == 0 { try store.delete("\(key)") }
      }
    } read: { reader, isGoingOn in
      var generator = SeededGenerator(seed: UInt64(reader))
      while isGoingOn() {
        try store.withValue(of: "\(generator.below(4))") { span in
          let first = array(span)
          for _ in 0..<20 { _ = try store.contains("0") }
          #expect(array(span) == first)
          #expect(Stamp(first) != nil)
        }
      }
    }
  }

  @Test func walksBesideWriters() throws {
    let store = try Region(size: 16 << 20).create()
    // Even keys stay; odd ones come and go.
    for number in stride(from: 0, to: 400, by: 2) {
      try store.put(Stamp(key: number, writer: 0, version: 0).encoded(longest: 60), for: key(number))
    }
    try Self.run(writers: 2, readers: 2) { writer in
      var generator = SeededGenerator(seed: UInt64(writer))
      for version in 1...1500 {
        let number = generator.below(400)
        if number % 2 == 0 || generator.oneIn(2) {
          let stamp = Stamp(key: number, writer: writer, version: version)
          try store.put(stamp.encoded(longest: 60), for: key(number))
        } else {
          try store.delete(key(number))
        }
      }
    } read: { _, isGoingOn in
      while isGoingOn() {
        var visits: [[UInt8]: Int] = [:]
        try store.forEach { (key: RawSpan, value: RawSpan) -> Void in
          visits[array(key), default: 0] += 1
          #expect(Stamp(array(value)) != nil)
        }
        for number in stride(from: 0, to: 400, by: 2) { #expect(visits[key(number)] == 1) }
        #expect(visits.values.allSatisfy { $0 == 1 })
      }
    }
  }

  @Test func eachKeyIsDeletedOnce() throws {
    let store = try Region(size: 16 << 20).create()
    let keys = 500
    for number in 0..<keys { try store.put("value", for: key(number)) }
    let deleted = Atomic<Int>(0)
    let swapped = Atomic<Int>(0)
    try Threads.run(4) { thread in
      for number in (0..<keys) {
        let number = thread % 2 == 0 ? number : keys - 1 - number
        if try store.delete(key(number)) { deleted.add(1, ordering: .relaxed) }
        let none: [UInt8]? = nil
        if try store.compareAndSwap("once \(number)", expected: none, new: "\(thread)") {
          swapped.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(deleted.load(ordering: .relaxed) == keys)
    #expect(swapped.load(ordering: .relaxed) == keys)
    #expect(store.count == keys)
  }

  @Test func figuresAndChecksBesideWriters() throws {
    let region = Region(size: 16 << 20)
    let store = try region.create()
    try Self.run(writers: 3, readers: 1) { writer in
      var generator = SeededGenerator(seed: UInt64(writer))
      for version in 1...2000 {
        let number = writer * 100 + generator.below(100)
        switch generator.below(4) {
        case 0: try store.delete(key(number))
        case 1: try store.put(value(version, length: 50), for: key(number), durability: .deferred)
        default: try store.put(value(version, length: version % 60 == 0 ? 5000 : 50), for: key(number))
        }
      }
    } read: { _, isGoingOn in
      while isGoingOn() {
        let statistics = store.statistics
        #expect(statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes)
        #expect(statistics.reservedBytes <= statistics.freeBytes)
        #expect((0...300).contains(store.count))
        let report = try store.verify()
        #expect(report.isSound, "\(report.damage)")
      }
    }
    try store.persist()
    var repeated: [[UInt8]] = []
    let entries = try store.entries(repeated: &repeated)
    try region.copy().open().expect(entries)
  }

  @Test func moreThreadsThanLanes() throws {
    var options = StoreOptions()
    options.maximumLanes = 2
    let region = Region(size: 4 << 20)
    let store = try region.create(options: options)
    try Threads.run(12) { thread in
      for number in 0..<100 {
        let number = thread * 100 + number
        try store.put(value(number, length: 40), for: key(number))
        if number % 3 == 0 { try store.delete(key(number)) }
      }
    }
    var contents: Contents = [:]
    for number in 0..<1200 where number % 3 != 0 { contents[key(number)] = value(number, length: 40) }
    try store.expect(contents)
    try region.copy().open().expect(contents)
  }

  /// More threads than there are slots for them: those beyond share the slow way.
  @Test func moreThreadsThanSlots() throws {
    let store = try Region(size: 4 << 20).create()
    let waiting = Atomic<Int>(0)
    let count = 600
    try Threads.run(count) { thread in
      waiting.add(1, ordering: .acquiringAndReleasing)
      // All at once, so that each has a slot of its own or none.
      while waiting.load(ordering: .acquiring) < count { sched_yield() }
      try store.put("value", for: key(thread))
      #expect(try store.contains(key(thread)))
      let bytes = try store.withValue(of: key(thread)) { span in
        try store.delete(key(thread))
        return array(span)
      }
      #expect(bytes == Array("value".utf8))
    }
    #expect(store.count == 0)
  }

  /// Runs are sorted and merged by several threads while others write: no key is lost on the way into them.
  @Test func severalThreadsMerge() throws {
    let file = TemporaryFile()
    var options = StoreOptions()
    options.mergingThreads = 4
    options.replayBytes = 4 << 20
    let perWriter = 60_000
    @Sendable func value(_ version: Int) -> [UInt8] { [UInt8(version)] }
    let store = try Store.create(at: file.address, size: 64 << 20, options: options)
    try Self.run(writers: 2, readers: 1) { writer in
      for number in 0..<perWriter {
        let own = writer * perWriter + number
        try store.put(value(1), for: BarKVTests.key(own))
        // Some of the earlier ones go or change, most of them long in a run.
        let earlier = writer * perWriter + number / 2
        if number % 6 == 1 { try store.delete(BarKVTests.key(earlier)) }
        if number % 6 == 3 { try store.put(value(2), for: BarKVTests.key(earlier)) }
      }
    } read: { reader, isGoingOn in
      var generator = SeededGenerator(seed: UInt64(reader))
      while isGoingOn() { _ = try store.get(BarKVTests.key(generator.below(2 * perWriter))) }
    }
    var expected: Contents = [:]
    for writer in 0..<2 {
      for number in 0..<perWriter {
        expected[BarKVTests.key(writer * perWriter + number)] = value(1)
        let earlier = BarKVTests.key(writer * perWriter + number / 2)
        if number % 6 == 1 { expected[earlier] = nil }
        if number % 6 == 3 { expected[earlier] = value(2) }
      }
    }
    #expect(store.statistics.checkpointCount > 2)
    try store.expect(expected)
    try store.expectSound()
    try store.close()
    try Store.open(at: file.address, options: options).expect(expected)
  }

  @Test func openAndCloseFromManyThreads() throws {
    let file = TemporaryFile()
    try Store.create(at: file.address, size: 1 << 20).close()
    let opened = Atomic<Int>(0)
    try Threads.run(4) { thread in
      for number in 0..<25 {
        do {
          let store = try Store.open(at: file.address)
          #expect(opened.add(1, ordering: .acquiringAndReleasing).newValue == 1, "two owners")
          try store.update("count") { current in .put((current ?? []) + [UInt8(thread)]) }
          opened.subtract(1, ordering: .acquiringAndReleasing)
          try store.close()
        } catch {
          guard case .busy? = error as? StoreError else { throw error }
          if number % 5 == 0 { sched_yield() }
        }
      }
    }
    let store = try Store.open(at: file.address)
    #expect(store.statistics.ownerEpoch >= 2)
    #expect(try store.get("count").map { UInt64($0.count) } == store.statistics.ownerEpoch - 2)
  }
}
