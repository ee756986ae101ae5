import Testing

@testable import BarKV

/// The memory of an index that grows by puts.
@Suite struct IndexGrowthTests {
  /// However many keys there are, the tables take at most twelve bytes a key: partitions do not outgrow their tables all at
  /// the same time, so they are never all at their emptiest.
  @Test func tablesTakeTwelveBytesAKey() throws {
    let store = try Region(size: TablePool.leastRegionBytes).create()
    let partitions = store.index.partitionCount
    var most = 0.0
    for number in 0..<400 * partitions {
      try store.put([], for: key(number))
      let count = number + 1
      if count >= 100 * partitions, count % (4 * partitions) == 0 {
        most = max(most, Double(store.index.residentBytes) / Double(count))
      }
    }
    #expect(most <= 12)
  }
}
