import Testing

@testable import BarKV

/// Owners that come and go go on where the last one stopped.
@Suite struct SegmentReuseTests {
  /// However an owner writes, it takes no more segments than it fills: a store that is opened for each write would be full
  /// after as many writes as it has segments.
  @Test(arguments: [false, true]) func reopeningTakesNoSegments(_ inBatches: Bool) throws {
    let file = TemporaryFile()
    try Store.create(at: file.address, size: 1 << 20).close()
    for number in 0..<20 {
      let store = try Store.open(at: file.address)
      if inBatches {
        var batch = Batch()
        batch.put("value", for: "key \(number)")
        try store.write(batch)
      } else {
        try store.put("value", for: "key \(number)")
      }
      try store.put("deferred", for: "later \(number)", durability: .deferred)
      try store.close()
    }
    let store = try Store.open(at: file.address)
    #expect(store.count == 40)
    #expect(store.statistics.freeSegmentCount == store.statistics.segmentCount - 1)
    #expect(try store.verify().isSound)
    try store.close()
  }
}
