import Synchronization
import Testing

@testable import BarKV

/// An index that disagrees with the log: verify finds it in both directions.
@Suite struct IndexDamageTests {
  /// A closed store with a checkpoint, and one block of its index in which there are entries.
  private struct Sample {
    var image: [UInt8]
    var run: Run
    var block: Int
    var stateBits: UInt64
    var contents: Contents = [:]
    /// The lines of records that were replaced before the checkpoint, and those that replaced them.
    var replaced: [(old: Int, new: Int)] = []

    init() throws {
      let region = Region(size: 1 << 20)
      let store = try region.create()
      for number in 0..<300 {
        contents[key(number)] = value(number, length: number.isMultiple(of: 50) ? 9000 : 20)
        try store.put("older", for: key(number))
        let old = try #require(Self.line(of: key(number), in: store))
        try store.put(contents[key(number)] ?? [], for: key(number))
        replaced.append((old, try #require(Self.line(of: key(number), in: store))))
      }
      try store.checkpoint()
      run = try #require(store.loader.runs.base.first)
      block = run.offset + Run.headerBytes
      stateBits = RunBlock.stateBits(regionBytes: region.image.count)
      try store.put("tail", for: "tail")
      contents[Array("tail".utf8)] = Array("tail".utf8)
      try store.close()
      image = region.image
    }

    static func line(of key: [UInt8], in store: Store) -> Int? {
      unsafe key.withUnsafeBytes { key in
        let place = unsafe store.index.place(store.log.hash(key))
        guard
          case .record(let line) = store.index.find(
            place, matches: { unsafe store.log.record(atLine: $0, hasKey: key) })
        else { return nil }
        return line
      }
    }

    /// The entries of the block.
    var entries: [RunEntry] {
      var entries: [RunEntry] = []
      unsafe image.withUnsafeBytes { bytes in
        _ = unsafe RunBlock.decode(
          bytes.baseAddress! + block, from: 0, to: RunEntry.keyLimit, stateBits: stateBits,
          lines: 0..<bytes.count / 64, salt: run.salt, into: &entries)
      }
      return entries
    }

    /// Makes the block have these entries, with the right checksum.
    mutating func replace(by entries: [RunEntry]) {
      let sorted = entries.sorted { $0.precedes($1) }
      let (block, salt, stateBits) = (block, run.salt, stateBits)
      unsafe image.withUnsafeMutableBytes { bytes in
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[block..<block + RunBlock.byteCount])
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe RunBlock.encode(
          sorted[...], isNarrow: true, stateBits: stateBits, salt: salt, to: target.baseAddress!)
      }
    }

    /// What verify finds, of a reader and of an owner: both the same.
    func damage() throws -> [Damage] {
      let reader = try Region(image: image).open(access: .readOnly)
      #expect(reader.recovery.damageCount == 0, "opening looks at no more than it needs")
      let found = try reader.verify()
      #expect(found.damageCount == found.damage.count)
      let owner = try Region(image: image).open().verify()
      #expect(owner.damage.map(\.offset) == found.damage.map(\.offset))
      return found.damage
    }
  }

  @Test func nothingIsWrongAtFirst() throws {
    var sample = try Sample()
    #expect(try sample.damage().isEmpty)
    // Nor after the test's own way to write a block.
    let entries = sample.entries
    #expect(entries.count > 20)
    sample.replace(by: entries)
    #expect(try sample.damage().isEmpty)
    try Region(image: sample.image).open().expect(sample.contents)
  }

  /// Every byte of a block is checked, whatever the bit.
  @Test func aDamagedBlock() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<20 {
      var damaged = sample
      // The last bytes of the header's line are zeros that nobody reads, but they are in the checksum.
      let bit = generator.below(RunBlock.byteCount * 8)
      damaged.image[sample.block + bit / 8] ^= 1 << UInt8(bit % 8)
      let damage = try damaged.damage()
      #expect(damage.map(\.kind) == [.index], "bit \(bit)")
      #expect(damage.first?.offset == UInt64(sample.block))
      #expect(damage.first?.length == UInt64(RunBlock.byteCount))
    }
  }

  /// A record that lives, and that the index has lost.
  @Test func aMissingEntry() throws {
    let sample = try Sample()
    let entries = sample.entries
    for victim in [0, entries.count / 2, entries.count - 1] {
      var damaged = sample
      damaged.replace(by: entries.filter { $0 != entries[victim] })
      let damage = try damaged.damage()
      #expect(damage.map(\.kind) == [.index])
      // The first of the records whose key the index lacks is the one; the older one of its key counts as replaced.
      let lost = UInt64(entries[victim].line * 64)
      let older = sample.replaced.first { $0.new == entries[victim].line }.map { UInt64($0.old * 64) }
      #expect(damage.first?.offset == lost || damage.first?.offset == older)
    }
  }

  /// A slot that names a place in which no record begins, or another key's.
  @Test func anEntryOfAnotherPlace() throws {
    let sample = try Sample()
    var entries = sample.entries
    entries[3] = RunEntry(key: entries[3].key, state: entries[7].state)
    var damaged = sample
    damaged.replace(by: entries)
    #expect(try Set(damaged.damage().map(\.kind)) == [.index])
    // The header of a segment.
    entries = sample.entries
    let header = UInt64(entries[3].line) & ~2047
    entries[3] = RunEntry(key: entries[3].key, state: (header == 0 ? 2048 : header) << 1)
    damaged.replace(by: entries)
    #expect(try damaged.damage().contains { $0.offset == UInt64(entries[3].line * 64) && $0.kind == .index })
  }

  /// A slot that names a line behind the region's end is none: what it should name is missing.
  @Test func anEntryOutsideTheRegion() throws {
    let sample = try Sample()
    let limit = sample.image.count / 64
    for line in [limit, limit + 1, 2 * limit - 1] {
      var damaged = sample
      var entries = sample.entries
      entries[3] = RunEntry(key: entries[3].key, state: UInt64(line) << 1)
      damaged.replace(by: entries)
      #expect(try damaged.damage().map(\.kind) == [.index])
      #expect(try Region(image: damaged.image).open().count == sample.contents.count, "as the checkpoint counted")
    }
  }

  /// A slot at a place where no search for its key comes.
  @Test func anEntryOfAnotherFragment() throws {
    var sample = try Sample()
    var entries = sample.entries
    entries[5].key += 1
    sample.replace(by: entries)
    let damage = try sample.damage()
    #expect(Set(damage.map(\.kind)) == [.index])
    #expect(damage.contains { $0.offset == UInt64(entries[5].line * 64) })
  }

  /// A slot that names what was replaced.
  @Test func anEntryOfAnOlderRecord() throws {
    var sample = try Sample()
    var entries = sample.entries
    let pair = try #require(sample.replaced.first { $0.new == entries[4].line })
    entries[4].state = UInt64(pair.old) << 1
    sample.replace(by: entries)
    let damage = try sample.damage()
    #expect(damage.contains { $0.kind == .index && $0.offset == UInt64(pair.new * 64) }, "\(damage)")
  }

  /// Writers and maintenance change all of it all the time, and nothing ever looks wrong.
  @Test func writersAreNoDamage() throws {
    let store = try Region(size: 2 << 20).create(segmentSize: 16 << 10)
    let hasEnded = Atomic<Bool>(false)
    try Threads.run(4) { thread in
      guard thread < 3 else {
        defer { hasEnded.store(true, ordering: .relaxed) }
        for round in 0..<25 {
          let report = try store.verify()
          #expect(report.isSound, "round \(round): \(report.damage)")
        }
        return
      }
      var generator = SeededGenerator(seed: UInt64(thread))
      while !hasEnded.load(ordering: .relaxed) {
        let name = key(generator.below(1500))
        switch generator.below(6) {
        case 0: try store.delete(name)
        case 1:
          var batch = Batch()
          for _ in 0..<5 { batch.put(generator.bytes(50), for: key(generator.below(1500))) }
          _ = try isDone { try store.write(batch) }
        default:
          let length = generator.oneIn(20) ? 5000 : generator.below(200)
          _ = try isDone { try store.put(generator.bytes(length), for: name) }
        }
      }
    }
    try store.expectSound()
  }
}
