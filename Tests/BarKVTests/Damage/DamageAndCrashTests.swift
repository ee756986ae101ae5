import Testing

@testable import BarKV

/// Damage, and what comes after it: more writes, a crash, reads of a store that is open while it happens.
@Suite struct DamageAndCrashTests {
  /// Damage at the end of the log looks like a torn write. That it is none is known from the close before it, and must
  /// still be known after the next owner has crashed: nothing that it wrote behind the damage may be taken for torn.
  @Test func atTheEndAndThenACrash() throws {
    // Ends at every place in a segment.
    for count in 20..<34 {
      let region = Region(size: 64 << 10)
      let store = try region.create()
      for number in 0..<count { try store.put(value(number, length: 40), for: key(number)) }
      try store.close()
      var editor = ImageEditor(region.image)
      let last = try #require(positions(of: value(count - 1, length: 40), in: editor.bytes).first)
      editor.flip(bit: last * 8)

      let damaged = Region(image: editor.bytes)
      let next = try damaged.open()
      #expect(next.recovery.damageCount == 1)
      var contents: Contents = [:]
      for number in 0..<count - 1 { contents[key(number)] = value(number, length: 40) }
      try next.expect(contents)
      for number in 100..<130 {
        // Long ones leave room in a segment that short ones then go back to.
        let bytes = value(number, length: number % 3 == 0 ? 220 : 20)
        try next.put(bytes, for: key(number))
        contents[key(number)] = bytes
        let crashed = try damaged.copy().open()
        try crashed.expect(contents, "\(count) keys, then \(number - 99)")
        #expect(crashed.recovery.droppedRecordCount == 0)
        #expect(crashed.recovery.damageCount == 1, "the damage was forgotten")
      }
    }
  }

  /// The end of a segment is lost, and with it the segment behind it, which proved that all was durable.
  @Test func anEndWithoutAProofAndThenACrash() throws {
    let region = Region(size: 64 << 10)
    let store = try region.create()
    for number in 0..<30 {
      var batch = Batch()
      for part in 0..<3 { batch.put(value(number, length: 50), for: key(number * 3 + part)) }
      try store.write(batch)
    }
    try store.close()
    let editor = ImageEditor(region.image)
    let segments = editor.usedSegments
    for (segment, next) in zip(segments, segments.dropFirst()) {
      let last = try #require(editor.records(ofSegment: segment).last)
      var damaged = editor
      damaged.flip(bit: last * 8)
      damaged.overwrite(editor.segment(next).lowerBound, [UInt8](repeating: 0xEE, count: 128))
      let copy = Region(image: damaged.bytes)
      let store = try copy.open()
      #expect(store.recovery.damageCount >= 2)
      var repeated: [[UInt8]] = []
      var contents = try store.entries(repeated: &repeated)
      #expect(contents.count >= 90 - 2 * 13)
      try store.put("new", for: "new")
      contents[Array("new".utf8)] = Array("new".utf8)
      try copy.copy().open().expect(contents, "segment \(segment)")
    }
  }

  /// A record is damaged, and the only proof that it is no torn one is the head of a batch that the crash has torn, which
  /// recovery drops. Nothing may then be appended behind the damage that the next crash would take for torn with it.
  @Test func theProofOfDamageIsDroppedAndThenACrash() throws {
    let (image, damage) = try Self.imageWhoseProofIsDropped()
    var options = StoreOptions()
    options.maximumLanes = 1
    let damaged = Region(image: image)
    let next = try damaged.open(options: options)
    #expect(next.recovery.damage.map(\.offset) == [damage])
    #expect(next.count == 9)
    // Long ones go to a fresh segment and fill it; a short one would then go back to where there is room.
    var contents: Contents = [:]
    for number in 0..<9 { contents[key(number)] = value(number, length: 20) }
    for (number, length) in [(30, 200), (31, 200), (32, 200), (33, 80), (34, 20), (35, 80)] {
      try next.put(value(number, length: length), for: key(number))
      contents[key(number)] = value(number, length: length)
      let crashed = try damaged.copy().open(options: options)
      try crashed.expect(contents, "after \(number)")
      #expect(crashed.recovery.damage.map(\.offset) == [damage], "the damage was forgotten")
    }
  }

  /// An image of which recovery drops what proves its damage; and where that is.
  static func imageWhoseProofIsDropped() throws -> (image: [UInt8], damage: UInt64) {
    let region = Region(size: 16 << 10)
    var options = StoreOptions()
    options.maximumLanes = 1
    let store = try region.create(segmentSize: 1 << 10, options: options)
    for number in 0..<10 { try store.put(value(number, length: 20), for: key(number)) }
    var batch = Batch()
    for number in 20..<22 { batch.put(value(number, length: 20), for: key(number)) }
    try store.write(batch)
    var editor = ImageEditor(region.image)
    let records = try editor.records(ofSegment: #require(editor.usedSegments.first))
    try #require(records.count == 13)
    // The last put, and the batch's last member: as if it had never arrived.
    editor.flip(bit: records[9] * 8 + 200)
    editor.overwrite(records[12], [UInt8](repeating: 0, count: 64))
    return (editor.bytes, UInt64(records[9]))
  }

  /// Behind a torn batch stands what an earlier crash left, with a number that the batch's are above: no record, and it must
  /// not become one when the batch is dropped.
  @Test func whatADroppedBatchHides() throws {
    let region = Region(size: 16 << 10)
    let store = try region.create(segmentSize: 1 << 10)
    for number in 0..<3 { try store.put(value(number, length: 20), for: key(number)) }
    var batch = Batch()
    for number in 10..<13 { batch.put(value(number, length: 20), for: key(number)) }
    try store.write(batch)
    var editor = ImageEditor(region.image)
    let records = try editor.records(ofSegment: #require(editor.usedSegments.first))
    try #require(records.count == 7)
    // In place of the batch's last member: a settled record with the number of its first.
    editor.store(editor.load(UInt32.self, records[4] + 4), records[6] + 4)
    editor.store(editor.load(UInt16.self, records[6] + 10) | 0x8000, records[6] + 10)
    editor.fixChecksums()

    var contents: Contents = [:]
    for number in 0..<3 { contents[key(number)] = value(number, length: 20) }
    let torn = Region(image: editor.bytes)
    let next = try torn.open()
    try next.expect(contents)
    let crashed = try torn.copy().open()
    try crashed.expect(contents, "what was hidden came back")
    #expect(crashed.recovery.damageCount == 0)
  }

  /// A torn batch whose head was settled is all that stands in a segment, so recovery erases the segment's header; the power
  /// goes in the middle of that. Nothing is lost, so nothing is damaged.
  @Test func theErasureOfATornBatchsSegmentIsTorn() throws {
    let region = Region(size: 16 << 10)
    let store = try region.create(segmentSize: 1 << 10)
    var batch = Batch()
    for number in 0..<3 { batch.put(value(number, length: 20), for: key(number)) }
    try store.write(batch)
    var editor = ImageEditor(region.image)
    let segment = try #require(editor.usedSegments.first)
    let records = editor.records(ofSegment: segment)
    try #require(records.count == 4)
    // Settled, as in a segment that a refused write had opened before the last close.
    editor.store(editor.load(UInt16.self, records[0] + 10) | 0x8000, records[0] + 10)
    editor.fixChecksums()
    editor.overwrite(records[3], [UInt8](repeating: 0, count: 64))
    editor.overwrite(editor.segment(segment).lowerBound, [UInt8](repeating: 0, count: 36))
    let torn = Region(image: editor.bytes)
    for _ in 0..<2 {
      let next = try torn.open()
      #expect(next.recovery.damage.isEmpty)
      #expect(next.count == 0)
    }
  }

  @Test func whatIsLostUnderAnOpenStore() throws {
    // A store reads records in place, so it must stand what happens to them while it is open.
    var options = StoreOptions()
    options.verifiesReads = true
    let file = TemporaryFile()
    var creation = options
    creation.domain = .processOnly
    let store = try Store.create(at: file.address, size: 1 << 20, options: creation)
    try store.put(value(1, length: 100), for: "record")
    try store.put(value(2, length: 9000), for: "extent")
    try store.put("whole", for: "whole")
    let bytes = try Files.read(file.path)
    let record = try #require(positions(of: value(1, length: 100), in: bytes).first)
    let extent = try #require(positions(of: Array(value(2, length: 9000).prefix(64)), in: bytes).first)
    let other = try FileBytes(file.path)
    for offset in [record, extent] { try other.write([0x5A, 0xA5], at: offset) }
    for key in ["record", "extent"] {
      guard case .damagedRecord = storeError({ _ = try store.get(key) }) else {
        Issue.record("\(key) was given out")
        continue
      }
      guard case .damagedRecord = storeError({ _ = try store.compareAndSwap(key, expected: "x", new: "y") }) else {
        Issue.record("\(key) was compared")
        continue
      }
    }
    #expect(try store.getString("whole") == "whole")
    guard case .damagedRecord = storeError({ try store.forEach { (_: RawSpan, _: RawSpan) -> Void in } }) else {
      Issue.record("the walk gave damaged values out")
      return
    }
    let report = try store.verify()
    #expect(report.damage.map(\.kind).contains(.record) && report.damage.map(\.kind).contains(.extent))
    // A put makes it whole.
    try store.put("new", for: "record")
    try store.put("new", for: "extent")
    #expect(try store.getString("record") == "new" && store.getString("extent") == "new")
  }

  /// The list of damage is bounded; its count is not.
  @Test func muchDamage() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    for number in 0..<4000 { try store.put("value", for: key(number)) }
    try store.close()
    var editor = ImageEditor(region.image)
    let records = editor.usedSegments.flatMap { editor.records(ofSegment: $0) }
    // Every other one, so that none are neighbours.
    for (number, record) in records.enumerated() where number % 2 == 0 { editor.flip(bit: record * 8 + 70) }
    let damaged = try Region(image: editor.bytes).open()
    #expect(damaged.recovery.damageCount >= 1900)
    #expect(damaged.recovery.damage.count == 1000)
    #expect((1900...2100).contains(damaged.count))
    let report = try damaged.verify()
    #expect(report.damageCount >= 1900 && report.damage.count == 1000)
  }
}
