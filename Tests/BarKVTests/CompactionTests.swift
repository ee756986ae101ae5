import Testing

@testable import BarKV

/// Which segments are emptied, and what goes where.
@Suite struct CompactionTests {
  private static func options() -> StoreOptions {
    var options = StoreOptions()
    options.maintainsInBackground = false
    return options
  }

  /// A segment that has lasted goes before one with a little more garbage, of which there will be more soon.
  @Test func theOldGoFirst() throws {
    let store = try Region(size: 16 << 20).create(segmentSize: 64 << 10, options: Self.options())
    let geometry = store.superblock.geometry
    let perSegment = geometry.recordLinesPerSegment / 2
    let count = 100 * perSegment
    let bytes = value(1, length: 100)
    for number in 0..<count { try store.put(bytes, for: key(number)) }
    let old = Set((0..<10 * perSegment).map { store.segment(of: key($0)) })
    // A quarter of what is oldest dies, and a third of what was written last.
    for number in 0..<10 * perSegment where number % 4 == 0 { try store.delete(key(number)) }
    for number in count - 12 * perSegment..<count - 2 * perSegment where number % 3 == 0 {
      try store.delete(key(number))
    }
    let victims = try store.maintenance.turn.withLock { (state) throws(StoreError) in
      try store.maintenance.checkpoint(&state)
      return store.maintenance.chooseVictims(state, 32)
    }
    #expect(victims.count >= 3)
    #expect(old.count >= 10)
    for victim in victims { #expect(old.contains(victim.segment)) }
  }

  /// Of keys of which few are written often, what dies soon is kept apart from what lasts: a nearly full store copies less
  /// than it would otherwise. It takes 1.7 copies a put; 2.5 where the garbage alone decides and one lane takes all.
  @Test func skewedKeysCostFewCopies() throws {
    let store = try Region(size: 16 << 20).create(segmentSize: 64 << 10, options: Self.options())
    let bytes = value(1, length: 100)
    var count = 0
    while Double(store.statistics.liveBytes) < 0.9 * Double(store.statistics.usableBytes) {
      for _ in 0..<256 {
        try store.put(bytes, for: key(count))
        count += 1
      }
    }
    var generator = SeededGenerator(seed: 1)
    func overwrite(_ puts: Int) throws {
      for _ in 0..<puts {
        // Half of the puts go to a hundredth of the keys, and half of the others to a tenth.
        let range = generator.oneIn(2) ? count / 100 : generator.oneIn(2) ? count / 10 : count
        try store.put(bytes, for: key(generator.below(range) * 7919 % count))
      }
    }
    try overwrite(count)
    let before = store.statistics
    try overwrite(count)
    let after = store.statistics
    let copies = Double(after.copiedBytes - before.copiedBytes) / Double(count * 128)
    #expect(copies < 2)
    #expect(try store.verify().isSound)
  }
}

extension Store {
  /// The segment that holds the record of a present key.
  fileprivate func segment(of key: [UInt8]) -> Int {
    unsafe key.withUnsafeBytes { bytes in
      let place = unsafe index.place(log.hash(bytes))
      let line = index.spot(place, matches: { unsafe log.record(atLine: $0, hasKey: bytes) })?.line ?? 0
      return log.geometry.segment(at: line * lineSize)
    }
  }
}
