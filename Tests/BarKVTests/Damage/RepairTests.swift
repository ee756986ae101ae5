import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Repair: damage of every kind in, a sound store out, and nothing lost that is not listed.
@Suite struct RepairTests {
  /// A closed store in a file, with runs, replaced and deleted records, extents, and a tail.
  private final class Sample {
    let file = TemporaryFile()
    var contents: Contents = [:]
    /// What was deleted, and earlier values of what was replaced.
    var older: [[UInt8]: [[UInt8]]] = [:]
    /// Where each key's newest record, and its extent, stands.
    var records: [[UInt8]: Int] = [:]
    var extents: [[UInt8]: Int] = [:]
    var runBlock = 0
    var geometry: Geometry
    var segments: [Int] = []

    init(size: Int = 2 << 20, segmentSize: Int = 16 << 10) throws {
      let store = try Store.create(at: file.address, size: size, options: Self.options(segmentSize))
      geometry = store.superblock.geometry
      for number in 0..<600 {
        let key = key(number)
        older[key] = [value(number + 5000, length: 40)]
        try store.put(value(number + 5000, length: 40), for: key)
        contents[key] = value(number, length: number.isMultiple(of: 60) ? 9000 : 100)
        try store.put(contents[key] ?? [], for: key)
        if number.isMultiple(of: 7) {
          older[key]?.append(contents[key] ?? [])
          contents[key] = nil
          try store.delete(key)
        }
      }
      try store.checkpoint()
      for number in 1000..<1010 {
        contents[key(number)] = value(number, length: 30)
        try store.put(contents[key(number)] ?? [], for: key(number))
      }
      for key in contents.keys {
        records[key] = unsafe key.withUnsafeBytes { bytes in
          let place = unsafe store.index.place(store.log.hash(bytes))
          guard
            case .record(let line) = store.index.find(
              place, matches: { unsafe store.log.record(atLine: $0, hasKey: bytes) })
          else { return nil }
          extents[key] = store.log.extentReference(ofRecordAtLine: line)?.offset
          return line * 64
        }
      }
      runBlock = try #require(store.loader.runs.base.first).offset + Run.headerBytes
      segments = (0..<geometry.segmentCount).filter { store.log.segments.kind($0) != .free }
      try store.close()
    }

    static func options(_ segmentSize: Int) -> StoreOptions {
      var options = StoreOptions()
      options.segmentSize = segmentSize
      options.maintainsInBackground = false
      return options
    }

    var bytes: [UInt8] { get throws { try Files.read(file.path) } }

    /// Turns over bits of the bytes at these offsets.
    func damage(_ offsets: Int...) throws {
      var bytes = try bytes
      for offset in offsets { bytes[offset] ^= 0x24 }
      try Files.write(bytes, to: file.path)
    }

    func repair() throws -> RepairReport { try Store.repair(at: file.address) }

    /// Expects that the store is sound and has everything but `lost`.
    func expectWhole(without lost: [[UInt8]] = [], at other: TemporaryFile? = nil, _ comment: Comment? = nil) throws {
      var contents = contents
      for key in lost { contents[key] = nil }
      for access in [Access.readOnly, .readWrite] {
        let store = try Store.open(at: (other ?? file).address, access: access)
        try store.expectSound(comment)
        try store.expect(contents, absent: lost, comment)
        try store.close()
      }
      #expect(unsafe access((other ?? file).path + ".partial", F_OK) != 0)
    }
  }

  @Test func aSoundStoreIsLeftAlone() throws {
    let sample = try Sample()
    let before = try sample.bytes
    let report = try sample.repair()
    #expect(report.outcome == .sound && report.damageCount == 0 && report.lossCount == 0)
    #expect(report.keyCount == sample.contents.count)
    #expect(try sample.bytes == before)
  }

  @Test func whatHasACopyIsMended() throws {
    let sample = try Sample()
    let identity = try Array(sample.bytes[72..<96])
    try sample.damage(40)
    for segment in sample.segments.enumerated() {
      try sample.damage(sample.geometry.segmentOffset(segment.element) + 20 + 64 * (segment.offset % 2))
    }
    let report = try sample.repair()
    #expect(report.outcome == .mended, "\(report.damage)")
    #expect(report.damageCount == sample.segments.count + 1)
    #expect(report.lossCount == 0 && !report.mayHoldDeletedKeys)
    #expect(report.keyCount == sample.contents.count)
    try sample.expectWhole()
    #expect(try Array(sample.bytes[72..<96]) == identity, "the same store")
  }

  @Test func aDamagedValueIsLostAndNothingElse() throws {
    let sample = try Sample()
    let (early, late) = (key(11), key(1003))
    try sample.damage(try #require(sample.records[early]) + 60, try #require(sample.records[late]) + 20)
    let report = try sample.repair()
    #expect(report.outcome == .salvaged)
    #expect(report.lossCount == 2 && report.damageCount == 2)
    #expect(report.losses.map(\.kind) == [.record, .record])
    // A record of the tail is looked at when the store is opened, and its key is not taken for right.
    #expect(Set(report.losses.map(\.key)) == [early, nil])
    #expect(report.losses.contains { $0.offset == UInt64(sample.records[early] ?? 0) && $0.key == early })
    #expect(!report.mayHoldDeletedKeys)
    // The value before it does not come back in its place.
    try sample.expectWhole(without: [early, late])
  }

  /// Whatever part of the index the damaged key would belong to: an older value must not come back from the log.
  @Test(arguments: 0..<24) func aDamagedKeyIsLostWithoutAName(number: Int) throws {
    let sample = try Sample()
    try sample.damage(try #require(sample.records[key(13)]) + 13)
    let report = try sample.repair()
    #expect(report.losses.map(\.key) == [nil])
    #expect(report.losses.map(\.offset) == [UInt64(sample.records[key(13)] ?? 0)])
    try sample.expectWhole(without: [key(13)])
  }

  @Test func aDamagedExtent() throws {
    let sample = try Sample()
    let offset = try #require(sample.extents[key(120)])
    try sample.damage(offset + 5000)
    let report = try sample.repair()
    #expect(report.losses == [Loss(kind: .extent, offset: UInt64(offset), length: 9000, key: key(120))])
    try sample.expectWhole(without: [key(120)])
  }

  /// The log has all records: a damaged index costs nothing that is there, but what was deleted may be back.
  @Test(arguments: ["header", "block", "manifests"]) func aDamagedIndex(part: String) throws {
    let sample = try Sample()
    switch part {
    case "header": try sample.damage(sample.runBlock - 60)
    case "block": try sample.damage(sample.runBlock + 100)
    default: try sample.damage(sample.geometry.manifestOffset(0) + 20, sample.geometry.manifestOffset(1) + 20)
    }
    let report = try sample.repair()
    #expect(report.outcome == (part == "manifests" ? .mended : .salvaged))
    #expect(report.lossCount == 0)
    #expect(report.mayHoldDeletedKeys)
    let store = try Store.open(at: sample.file.address)
    try store.expectSound()
    for (key, value) in sample.contents { #expect(try store.get(key) == value) }
    var repeated: [[UInt8]] = []
    for (key, value) in try store.entries(repeated: &repeated) where sample.contents[key] == nil {
      #expect(sample.older[key]?.contains(value) == true)
    }
    try store.close()
  }

  @Test func aSegmentWithoutAHeader() throws {
    let sample = try Sample()
    let segment = sample.geometry.segment(at: try #require(sample.records[key(101)]))
    let start = sample.geometry.segmentOffset(segment)
    try sample.damage(start + 20, start + 84)
    let report = try sample.repair()
    #expect(report.outcome == .salvaged)
    #expect(report.losses.contains { $0.offset == UInt64(start) })
    let store = try Store.open(at: sample.file.address)
    try store.expectSound()
    for (key, value) in sample.contents {
      let record = try #require(sample.records[key])
      guard sample.geometry.segment(at: record) != segment else { continue }
      #expect(try store.get(key) == value)
    }
    try store.close()
  }

  // MARK: To another file

  @Test func toAnotherFile() throws {
    let sample = try Sample()
    try sample.damage(try #require(sample.records[key(11)]) + 60)
    let before = try sample.bytes
    let other = TemporaryFile()
    let report = try Store.repair(at: sample.file.address, to: other.address, size: 4 << 20)
    #expect(report.outcome == .salvaged && report.lossCount == 1)
    #expect(try sample.bytes == before)
    #expect(try Files.read(other.path).count == 4 << 20)
    try sample.expectWhole(without: [key(11)], at: other)
    #expect(
      storeError { _ = try Store.repair(at: sample.file.address, to: other.address) } == .alreadyExists(other.path))
    _ = try Store.repair(at: sample.file.address, to: other.address, replacing: true)
    #expect(try Files.read(other.path).count == 2 << 20)
  }

  @Test func whatFindsNoRoomChangesNothing() throws {
    let sample = try Sample()
    try sample.damage(try #require(sample.records[key(11)]) + 60)
    let before = try sample.bytes
    let other = TemporaryFile()
    #expect(
      storeError { _ = try Store.repair(at: sample.file.address, to: other.address, size: 64 << 10) } == .full)
    #expect(unsafe access(other.path, F_OK) != 0 && access(other.path + ".partial", F_OK) != 0)
    #expect(try sample.bytes == before)
  }

  @Test func whatCannotBeRepaired() throws {
    let sample = try Sample()
    let owner = try Store.open(at: sample.file.address)
    if case .busy = storeError({ _ = try sample.repair() }) {} else { Issue.record("a store in use is repaired") }
    try owner.close()
    try sample.damage(40, sample.geometry.superblockOffset(1) + 40)
    let before = try sample.bytes
    if case .corrupt = storeError({ _ = try sample.repair() }) {} else { Issue.record("no superblock is left") }
    #expect(try sample.bytes == before)
  }

  /// Another reader has the damaged store open: it would not see the new one.
  @Test func aReaderIsNotLeftBehind() throws {
    let sample = try Sample()
    try sample.damage(try #require(sample.records[key(11)]) + 60)
    let before = try sample.bytes
    let reader = try Store.open(at: sample.file.address, access: .readOnly)
    if case .busy = storeError({ _ = try sample.repair() }) {} else { Issue.record("a store in use is replaced") }
    try reader.close()
    #expect(try sample.bytes == before)
    _ = try sample.repair()
    try sample.expectWhole(without: [key(11)])
  }

  /// Bits anywhere: whatever is not listed as lost is there, and nothing is there that was not stored.
  @Test func anything() throws {
    let clean = try Sample()
    let bytes = try clean.bytes
    let manifests = clean.geometry.manifestOffset(0)..<clean.geometry.firstSegment
    for seed in Seeds.rounds(40) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      let file = TemporaryFile()
      var damaged = bytes
      for _ in 0...generator.below(12) {
        let segment = clean.segments[generator.below(clean.segments.count)]
        let offset = clean.geometry.segmentOffset(segment) + generator.below(clean.geometry.segmentSize)
        damaged[generator.oneIn(30) ? generator.below(manifests.lowerBound / 2) : offset] ^=
          1 << UInt8(generator.below(8))
      }
      try Files.write(damaged, to: file.path)
      let report = try Store.repair(at: file.address)
      let store = try Store.open(at: file.address)
      try store.expectSound("seed \(seed)")
      var repeated: [[UInt8]] = []
      let entries = try store.entries(repeated: &repeated)
      #expect(entries.count == report.keyCount)
      for (key, value) in entries where clean.contents[key] != value {
        #expect(report.mayHoldDeletedKeys, "seed \(seed)")
        #expect(clean.older[key]?.contains(value) == true, "seed \(seed): a value that was never stored")
      }
      let missing = clean.contents.keys.filter { entries[$0] == nil }
      if report.lossCount == 0 { #expect(missing.isEmpty, "seed \(seed)") }
      let named = Set(report.losses.compactMap(\.key))
      let hasUnnamed = report.losses.contains { $0.key == nil }
      for key in missing where !hasUnnamed { #expect(named.contains(key), "seed \(seed)") }
      for key in named where !report.mayHoldDeletedKeys { #expect(entries[key] == nil, "seed \(seed)") }
      try store.close()
    }
  }
}
