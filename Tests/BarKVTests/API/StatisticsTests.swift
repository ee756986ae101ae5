import Testing

@testable import BarKV

/// The figures, against a model, at every step of a random workload.
@Suite struct StatisticsTests {
  @Test(arguments: [8 << 10, 64 << 10, 1 << 20]) func everyStep(size: Int) throws {
    for seed in Seeds.rounds(5) {
      Seeds.announce(seed)
      try Self.run(size: size, seed: seed)
    }
  }

  private static func run(size: Int, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var region = Region(size: size)
    var store = try region.create(seed: seed)
    var model: Contents = [:]
    for step in 0..<400 {
      let key = key(generator.below(60))
      let length = generator.oneIn(8) ? generator.below(size / 12) : generator.below(100)
      switch generator.below(10) {
      case 0..<5:
        let bytes = generator.bytes(length)
        if try isDone({ try store.put(bytes, for: key) }) { model[key] = bytes }
      case 5..<7:
        #expect(try store.delete(key) == (model[key] != nil))
        model[key] = nil
      case 7:
        var batch = Batch()
        var changes: Contents = [:]
        for number in 0..<5 {
          let key = BarKVTests.key(generator.below(60))
          changes[key] = value(step * 10 + number, length: generator.below(120))
          batch.put(changes[key] ?? [], for: key)
        }
        if try isDone({ try store.write(batch) }) { model.merge(changes) { $1 } }
      case 8 where generator.oneIn(5):
        let before = store.statistics
        region = region.copy()
        store = try region.open()
        #expect(store.statistics.liveBytes == before.liveBytes, "seed \(seed): live bytes after a crash")
      default:
        _ = try store.get(key)
      }
      expect(store, holds: model, "seed \(seed), step \(step)")
    }
    try store.expect(model)
  }

  private static func expect(_ store: Store, holds model: Contents, _ comment: Comment) {
    // Nothing is copied or set free meanwhile.
    store.maintenance.turn.withLock { _ in expectAtRest(store, holds: model, comment) }
  }

  private static func expectAtRest(_ store: Store, holds model: Contents, _ comment: Comment) {
    let statistics = store.statistics
    let geometry = store.superblock.geometry
    #expect(statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes, comment)
    #expect(statistics.keyCount == model.count, comment)
    #expect(statistics.liveBytes == liveBytes(model, store), comment)
    #expect(statistics.reservedBytes <= statistics.freeBytes, comment)
    #expect(statistics.regionBytes == UInt64(geometry.regionBytes), comment)
    #expect(statistics.capacityBytes == UInt64(geometry.segmentCount * geometry.segmentSize), comment)
    #expect(statistics.freeSegmentCount <= statistics.segmentCount, comment)
    #expect(statistics.freeBytes >= UInt64(statistics.freeSegmentCount * geometry.segmentSize), comment)
    // Segment by segment, as they were used: what is dead is no remainder.
    var dead = 0
    var used = 0
    for segment in 0..<geometry.segmentCount where store.log.segments.kind(segment) != .free {
      dead += store.log.segments.dead(segment)
      used += store.log.segments.used(segment)
    }
    let spans = UInt64(used * 64) + statistics.freeBytes
    #expect(spans <= statistics.capacityBytes, comment)
    #expect(UInt64(dead * 64) <= statistics.deadBytes, comment)
  }

  /// What the newest version of each key occupies: its record's lines, and its extent's.
  private static func liveBytes(_ model: Contents, _ store: Store) -> UInt64 {
    let geometry = store.superblock.geometry
    return model.reduce(0) { sum, entry in
      if store.isExtent(keyLength: entry.key.count, valueLength: entry.value.count) {
        let record = roundUp(12 + entry.key.count + 24, to: 64)
        return sum + UInt64(record + roundUp(entry.value.count, to: geometry.extentAlignment))
      }
      return sum + UInt64(roundUp(12 + entry.key.count + entry.value.count, to: 64))
    }
  }

  @Test func counters() throws {
    let store = try Region(size: 1 << 20).create()
    let before = store.statistics
    #expect(before.keyCount == 0 && before.liveBytes == 0 && before.writeCount == 0)
    #expect(before.freeSegmentCount == before.segmentCount)
    try store.put("1", for: "a")
    try store.put("2", for: "a")
    try store.delete("a")
    try store.delete("a")
    let after = store.statistics
    #expect(after.writeCount == 3)
    #expect(after.sequence == before.sequence + 3)
    #expect(after.barrierCount == before.barrierCount + 3)
    #expect(after.indexBytes > 0)
    #expect(after.ownerEpoch == 1)
    #expect(after.deadBytes > 0 && after.freeBytes < before.freeBytes)
  }
}
