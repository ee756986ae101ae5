import Testing

@testable import BarKV

/// Damage in the midst of what is whole: reported with its place, and nothing else suffers.
@Suite struct MiddleDamageTests {
  private let sample: SampleStore

  init() throws {
    sample = try SampleStore(SampleStore.Shape(extents: [1500, 2000]))
  }

  private func damaging(_ image: [UInt8], at offset: Int, length: Int = 1) -> [UInt8] {
    var damaged = image
    for index in offset..<offset + length { damaged[index] ^= 0x5A }
    return damaged
  }

  /// The contents without a key.
  private func contents(without key: String? = nil) -> [[UInt8]: [UInt8]] {
    var contents = sample.contents
    if let key { contents[key] = nil }
    return Dictionary(uniqueKeysWithValues: contents.map { (Array($0.key.utf8), $0.value) })
  }

  @Test(arguments: [true, false]) func aRecordInTheMiddleIsReported(_ isClosed: Bool) throws {
    let image = isClosed ? sample.closed : sample.unclosed
    let map = try Image.Map(image)
    for key in ["key/1", "batch/2", "extent/1"] {
      let record = try #require(map.records(of: key).last)
      // In the checksum, the header, the key, the content.
      for part in [0, 9, Record.headerBytes, record.header.byteCount - 1] {
        let damaged = damaging(image, at: record.offset + part)
        for access in [Access.readOnly, .readWrite] {
          let store = try Image.open(damaged, access: access)
          #expect(store.recovery.damageCount == 1)
          let damage = try #require(store.recovery.damage.first)
          #expect(damage.kind == .record)
          #expect(damage.offset == UInt64(record.offset))
          #expect(damage.length == UInt64(record.header.lines * lineSize))
          #expect(store.recovery.tornTailCount == 0)
          #expect(store.recovery.droppedRecordCount == 0)
          #expect(try store.contents() == contents(without: key))
          #expect(try store.get(key) == nil)
          let report = try store.verify()
          #expect(report.damage.map(\.offset) == [UInt64(record.offset)])
          try store.close()
        }
      }
    }
  }

  @Test func severalDamagedRecordsAreCounted() throws {
    let map = try Image.Map(sample.closed)
    let keys = ["key/1", "key/5", "key/8"]
    var damaged = sample.closed
    var expected = contents()
    for key in keys {
      damaged = damaging(damaged, at: try #require(map.records(of: key).last).offset + 5)
      expected[Array(key.utf8)] = nil
    }
    let store = try Image.open(damaged)
    #expect(store.recovery.damageCount == keys.count)
    #expect(try store.verify().damageCount == keys.count)
    #expect(try store.contents() == expected)
  }

  @Test func aDamageThatWasReportedStaysSoAndKeepsNobodyFromWriting() throws {
    let map = try Image.Map(sample.closed)
    let record = try #require(map.records(of: "key/1").last)
    let damaged = damaging(sample.closed, at: record.offset + 4)
    let keeper = ImageKeeper(damaged)
    let store = try Image.open(damaged, access: .readWrite, keeper: keeper)
    try store.put("again", for: "key/1")
    let expected = try store.contents()
    try store.close()
    let again = try Image.open(keeper.bytes)
    #expect(again.recovery.damage.map(\.offset) == [UInt64(record.offset)])
    #expect(try again.contents() == expected)
    #expect(try again.getString("key/1") == "again")
  }

  @Test func aDamagedExtentIsFound() throws {
    let value = try #require(sample.contents["extent/1"])
    let start = try #require(
      stride(from: 0, to: sample.closed.count - value.count, by: lineSize).first {
        Array(sample.closed[$0..<$0 + value.count]) == value
      })
    for offset in [0, 777, value.count - 1] {
      let damaged = damaging(sample.closed, at: start + offset)
      let store = try Image.open(damaged)
      // Opening reads the log, not the values beside it.
      #expect(store.recovery.damageCount == 0)
      let report = try store.verify()
      #expect(report.damage.map(\.kind) == [.extent])
      #expect(report.damage.first?.offset == UInt64(start))
      #expect(report.damage.first?.length == UInt64(value.count))
      let careful = try Image.open(damaged, verifiesReads: true)
      #expect(throws: StoreError.damagedRecord(offset: UInt64(start))) { try careful.get("extent/1") }
      for (key, value) in sample.contents where key != "extent/1" { #expect(try careful.get(key) == value) }
    }
  }

  @Test(arguments: [true, false]) func aDamagedSealIsReported(_ isClosed: Bool) throws {
    let image = isClosed ? sample.closed : sample.unclosed
    let map = try Image.Map(image)
    let seal = try #require(map.records.first { $0.header.kind == .seal })
    let store = try Image.open(damaging(image, at: seal.offset + 4))
    #expect(store.recovery.damageCount == 1)
    #expect(store.recovery.damage.first?.kind == .record)
    #expect(store.recovery.damage.first?.offset == UInt64(seal.offset))
    #expect(try !store.verify().isSound)
    #expect(try store.contents() == contents())
  }

  @Test func theLastRecordOfAClosedStoreIsReported() throws {
    let map = try Image.Map(sample.closed)
    let record = try #require(map.records(of: SampleStore.lastKey).last)
    for access in [Access.readOnly, .readWrite] {
      let store = try Image.open(damaging(sample.closed, at: record.offset + 20), access: access)
      #expect(store.recovery.damageCount == 1)
      #expect(store.recovery.damage.first?.offset == UInt64(record.offset))
      #expect(store.recovery.damage.first?.length == UInt64(record.header.lines * lineSize))
      #expect(try store.verify().damage.map(\.offset) == [UInt64(record.offset)])
      #expect(try store.contents() == contents(without: SampleStore.lastKey))
      try store.close()
    }
  }

  @Test func aLostSegmentIsReported() throws {
    let map = try Image.Map(sample.closed)
    let header = try #require(map.segments.first { $0.kind == .log })
    let start = map.superblock.geometry.segmentOffset(header.segment)
    let lost = Set(map.records.filter { $0.segment == header.segment }.map(\.key))
    for access in [Access.readOnly, .readWrite] {
      let store = try Image.open(
        damaging(sample.closed, at: start, length: Geometry.segmentHeaderBytes), access: access)
      #expect(store.recovery.damage.contains { $0.kind == .segmentHeader && $0.offset == UInt64(start) })
      for (key, value) in sample.contents where !lost.contains(Array(key.utf8)) {
        #expect(try store.get(key) == value)
      }
      try store.close()
    }
  }

  /// Manifests and all headers lost: what stands in the segments must not come back into force when they are used again.
  @Test(arguments: [[0], [0, 1]]) func recordsOfLostSegmentsStayLost(_ areas: [Int]) throws {
    let map = try Image.Map(sample.unclosed)
    let geometry = map.superblock.geometry
    var image = sample.unclosed
    for area in areas { image = damaging(image, at: geometry.manifestOffset(area)) }
    for header in map.segments {
      image = damaging(
        image, at: geometry.segmentOffset(header.segment), length: Geometry.segmentHeaderBytes)
    }
    let keeper = ImageKeeper(image)
    let store = try Image.open(image, access: .readWrite, keeper: keeper)
    #expect(store.recovery.damageCount > 0)
    #expect(try store.contents().isEmpty)
    try store.put("value", for: "new")
    try store.close()
    #expect(try Image.open(keeper.bytes).contents() == [Array("new".utf8): Array("value".utf8)])
  }

  /// A header that was written to the wrong place is none there, whatever its checksum.
  @Test func aHeaderInAForeignPlaceIsNone() throws {
    let geometry = try Image.Map(sample.closed).superblock.geometry
    let headers = try Image.Map(sample.closed).segments
    let header = try #require(headers.first { $0.kind == .log })
    let free = try #require((0..<geometry.segmentCount).first { !headers.map(\.segment).contains($0) })
    var image = sample.closed
    let line = Array(image[geometry.segmentOffset(header.segment)..<geometry.segmentOffset(header.segment) + lineSize])
    image.replaceSubrange(geometry.segmentOffset(free)..<geometry.segmentOffset(free) + 2 * lineSize, with: line + line)
    let store = try Image.open(image)
    #expect(store.recovery.damage.map(\.offset) == [UInt64(geometry.segmentOffset(free))])
    #expect(store.recovery.damage.map(\.kind) == [.segmentHeader])
    #expect(try store.contents() == contents())
  }

  /// A record that is newest again, since the one that replaced it is damaged, refers to an extent whose segment another
  /// value has now.
  @Test func anExtentThatIsAnotherValuesNow() throws {
    let blank = [UInt8](repeating: 0, count: 16 << 10)
    let keeper = ImageKeeper(blank)
    let geometry = try Geometry(regionBytes: blank.count, segmentSize: 1 << 10)
    let first = try Store.create(
      on: Medium.memory(image: blank, observer: keeper), geometry: geometry, path: "memory", options: StoreOptions())
    try first.put([UInt8](repeating: 1, count: 500), for: "old")
    try first.put("short", for: "old")
    try first.put("proof", for: "next")
    try first.close()
    let second = try Image.open(keeper.bytes, access: .readWrite, keeper: keeper)
    // The checkpoint sets the segment of the old value free. Until it is used again.
    try second.checkpoint()
    let place = try #require(try Image.Map(keeper.bytes).records(of: "old").first)
    let reference = try #require(second.log.extentReference(ofRecordAtLine: place.offset / lineSize))
    while second.log.segments.kind(geometry.segment(at: reference.offset)) != .extents {
      try second.put([UInt8](repeating: 2, count: 500), for: "new")
    }
    try second.close()
    let map = try Image.Map(keeper.bytes)
    let damaged = damaging(keeper.bytes, at: try #require(map.records(of: "old").last).offset)
    // The whole log is read where the index is built anew: it finds the damage, and the record before the damaged one.
    let store = try Image.open(damaged, rebuildsIndex: true)
    #expect(store.recovery.damageCount == 1)
    #expect(throws: StoreError.damagedRecord(offset: UInt64(place.offset))) { try store.get("old") }
  }

  /// The newest manifest is damaged, and the one before it says that the store was closed: an owner wrote since.
  @Test func aCloseThatIsNotTheLast() throws {
    var growths: Set<Bool> = []
    for count in 1..<14 {
      let blank = [UInt8](repeating: 0, count: 16 << 10)
      let keeper = ImageKeeper(blank)
      let geometry = try Geometry(regionBytes: blank.count, segmentSize: 1 << 10)
      let first = try Store.create(
        on: Medium.memory(image: blank, observer: keeper), geometry: geometry, path: "memory", options: StoreOptions())
      for number in 0..<count { try first.put("value", for: "key/\(number)") }
      try first.close()
      let second = try Image.open(keeper.bytes, access: .readWrite, keeper: keeper)
      // Goes on in the open segment where it fits, else in a fresh one.
      try second.put([UInt8](repeating: 1, count: 200), for: "long")
      let image = keeper.bytes
      growths.insert(try Image.Map(image).segments.count == 1)
      let manifests = unsafe image.withUnsafeBytes { region in
        unsafe Manifest.read(from: region, superblock: second.superblock)
      }
      let newest = geometry.manifestOffset(Int(try #require(manifests.manifest).commit & 1))
      let store = try Image.open(damaging(image, at: newest + 20))
      #expect(!store.recovery.wasClosed)
      #expect(store.recovery.damage.map(\.kind) == [.manifest], "\(count) keys")
      #expect(store.count == count + 1)
    }
    #expect(growths.count == 2)
  }

  @Test(arguments: [0, 1]) func oneCopyOfAHeaderIsReported(_ copy: Int) throws {
    let map = try Image.Map(sample.closed)
    for header in map.segments {
      let offset = map.superblock.geometry.segmentOffset(header.segment) + copy * lineSize
      let store = try Image.open(damaging(sample.closed, at: offset + 17))
      #expect(store.recovery.damage.map(\.offset) == [UInt64(offset)])
      #expect(store.recovery.damage.map(\.kind) == [.segmentHeader])
      #expect(try store.verify().damage.map(\.offset) == [UInt64(offset)])
      #expect(try store.contents() == contents())
    }
  }

  /// Under an owner both manifests are whole.
  @Test(arguments: [0, 1]) func aManifestThatIsLostMeanwhileIsFound(_ area: Int) throws {
    let store = try Image.open(sample.closed, access: .readWrite)
    let offset = store.superblock.geometry.manifestOffset(area)
    let zeros = [UInt8](repeating: 0, count: lineSize)
    try unsafe zeros.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
      try unsafe store.medium.write(line, at: offset, site: .openingManifest)
    }
    #expect(try store.verify().damage.map(\.offset) == [UInt64(offset)])
    #expect(try store.verify().damage.map(\.kind) == [.manifest])
  }
}
