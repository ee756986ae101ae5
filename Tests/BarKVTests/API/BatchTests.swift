import Testing

@testable import BarKV

/// Batches: their order, their atomicity, their limits.
@Suite struct BatchTests {
  private let region = Region(size: 4 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
  }

  @Test func laterOperationsWin() throws {
    try store.put("before", for: "deleted")
    var batch = Batch()
    batch.put("1", for: "twice")
    batch.put("2", for: "twice")
    batch.put("1", for: "gone")
    batch.delete("gone")
    batch.delete("back")
    batch.put("here", for: "back")
    batch.delete("deleted")
    batch.delete("never there")
    #expect(batch.count == 8)
    try store.write(batch)
    let expected: Contents = [Array("twice".utf8): Array("2".utf8), Array("back".utf8): Array("here".utf8)]
    let absent = ["gone", "deleted", "never there"].map { Array($0.utf8) }
    try store.expect(expected, absent: absent)
    try region.copy().open().expect(expected, absent: absent, "after a crash")
  }

  @Test func emptyBatch() throws {
    let before = region.image
    try store.write(Batch())
    #expect(region.image == before)
    #expect(store.statistics.writeCount == 0)
  }

  @Test func aBatchOfDeletesOfAbsentKeysWritesNothing() throws {
    let before = region.image
    var batch = Batch()
    for number in 0..<10 { batch.delete(key(number)) }
    try store.write(batch)
    #expect(region.image == before)
  }

  @Test func aBatchCanBeWrittenAgain() throws {
    var batch = Batch()
    batch.put("1", for: "key")
    try store.write(batch)
    try store.delete("key")
    try store.write(batch)
    #expect(try store.getString("key") == "1")
    #expect(batch.count == 1 && batch.byteCount > 0)
    batch.removeAll()
    #expect(batch.count == 0 && batch.byteCount == 0)
    batch.put("2", for: "other")
    batch.removeAll(keepingCapacity: true)
    batch.delete("key")
    try store.write(batch)
    #expect(store.count == 0)
  }

  @Test func spansAndTypes() throws {
    var batch = Batch()
    let key = Array("key".utf8)
    unsafe batch.put(key.span.bytes, for: key.span.bytes)
    batch.put([1, 2][1...], for: "slice".dropLast())
    try store.write(batch)
    #expect(try store.get("key") == key)
    #expect(try store.get("slic") == [2])
    batch.removeAll()
    unsafe batch.delete(key.span.bytes)
    try store.write(batch)
    #expect(try !store.contains("key"))
  }

  @Test(arguments: [8 << 10, 64 << 10, 1 << 20]) func overManySegments(size: Int) throws {
    let region = Region(size: size)
    let store = try region.create()
    let geometry = store.superblock.geometry
    // Three segments' worth, and as many tombstones set aside.
    let operations = min(2000, geometry.segmentCount / 4 * geometry.recordLinesPerSegment)
    var contents: Contents = [:]
    var batch = Batch()
    for number in 0..<operations {
      contents[key(number)] = value(number, length: number % 40)
      batch.put(value(number, length: number % 40), for: key(number))
    }
    try store.write(batch)
    try store.expect(contents)
    let after = try region.copy().open()
    try after.expect(contents, "after a crash")
    try after.expectSound()
    batch.removeAll()
    for number in 0..<operations where number % 2 == 0 {
      contents[key(number)] = nil
      batch.delete(key(number))
    }
    try after.write(batch)
    try after.expect(contents)
  }

  @Test func withExtents() throws {
    var contents: Contents = [:]
    var batch = Batch()
    for (number, length) in [5000, 10, 4096, 300_000, 0, 4095].enumerated() {
      contents[key(number)] = value(number, length: length)
      batch.put(value(number, length: length), for: key(number))
    }
    // The first of these extents never becomes visible.
    batch.put(value(8, length: 9000), for: key(8))
    batch.put(value(9, length: 8000), for: key(8))
    contents[key(8)] = value(9, length: 8000)
    try store.write(batch)
    try store.expect(contents)
    let after = try region.copy().open()
    try after.expect(contents)
    try after.expectSound()
  }

  @Test func tooLarge() throws {
    let geometry = store.superblock.geometry
    let before = region.image
    var batch = Batch()
    let lines = geometry.segmentCount * geometry.recordLinesPerSegment
    for number in 0..<lines + 1 { batch.delete(key(number)) }
    #expect(storeError { try store.write(batch) } == .batchTooLarge(operations: lines + 1))
    #expect(region.image == before)
  }

  @Test func fullLeavesNothingBehind() throws {
    try store.put("old", for: key(0))
    let geometry = store.superblock.geometry
    var batch = Batch()
    // Not more than the region has, but more than it has beside the tombstones.
    for number in 0..<geometry.segmentCount * geometry.recordLinesPerSegment - 100 { batch.put("", for: key(number)) }
    let before = store.statistics
    #expect(storeError { try store.write(batch) } == .full)
    // The store may have looked for room. Nothing of the batch is there.
    let after = store.statistics
    #expect(after.sequence == before.sequence && after.keyCount == 1 && after.liveBytes == before.liveBytes)
    try store.expect([key(0): Array("old".utf8)], absent: [key(1)])
    try store.put("new", for: key(0))
    try region.copy().open().expect([key(0): Array("new".utf8)], absent: [key(1)])
  }

  @Test func oneInvalidOperationRefusesAll() throws {
    var batch = Batch()
    batch.put("1", for: "good")
    batch.put("1", for: "")
    batch.put(value(0, length: 5000), for: "extent")
    let before = region.image
    #expect(storeError { try store.write(batch) } == .invalidKeyLength(0, maximum: 65_535))
    #expect(region.image == before)
    #expect(store.count == 0)
  }
}
