import Testing

@testable import BarKV

/// Single places of a run, read by system calls, against the mapping.
@Suite struct RunAsideTests {
  private static let size = 8 << 20
  /// The lines where entries may point to.
  private static let lines = 2..<size / lineSize

  /// A file with one run of `keys`, each with the state of its position.
  private func written(_ keys: [UInt64], to medium: Medium) throws -> Run {
    let entries = keys.sorted().enumerated().map { position, key in
      RunEntry(key: key, state: UInt64(2 + position) << 1 | (position % 7 == 0 ? 1 : 0))
    }
    let plan = Run.plan(
      entries, from: 0, capacity: 4 << 20, number: 1, range: 0..<RunEntry.keyLimit, isBase: true,
      stateBits: RunBlock.stateBits(regionBytes: medium.length))
    try #require(plan.next == entries.count)
    let bytes = plan.encoded(entries, salt: 77)
    let offset = 4096
    try unsafe (bytes + [UInt8](repeating: 0, count: roundUp(bytes.count, to: lineSize) - bytes.count)).span.bytes
      .withUnsafeBytes { (bytes) throws(StoreError) in try unsafe medium.write(bytes, at: offset, site: .run) }
    let header = unsafe UnsafeRawBufferPointer(rebasing: medium.bytes[offset..<offset + Run.headerBytes])
    return try #require(
      unsafe Run(RunReference(offset: UInt64(offset), generation: 1), header: header, end: Self.size, salt: 77))
  }

  private func openMedium(_ file: TemporaryFile) throws -> Medium {
    try Medium.createFile(path: file.path, size: Self.size, replacing: false, options: StoreOptions())
  }

  /// How places are spread: as hashes are, all in one corner, few with many entries each.
  @Test(arguments: 0..<3, [0, 1, 29, 5_000, 30_000]) func agreesWithTheMapping(spread: Int, count: Int) throws {
    let file = TemporaryFile()
    let medium = try openMedium(file)
    defer { medium.unmap() }
    var generator = SeededGenerator(seed: UInt64(spread * 1_000 + count))
    let keys = (0..<count).map { _ in
      switch spread {
      case 0: generator.next() % RunEntry.keyLimit
      case 1: generator.oneIn(50) ? generator.next() % RunEntry.keyLimit : 1 << 39 + generator.next() % 100_000
      default: UInt64(generator.below(20)) << 35
      }
    }
    let run = try written(keys, to: medium)
    var found = 0
    var impossible = 0
    for key in keys.prefix(500) + [0, 1 << 39, RunEntry.keyLimit - 1] {
      var expected: [RunEntry] = []
      let damage = unsafe run.read(medium.bytes, lines: Self.lines, from: key, to: key + 1, into: &expected)
      #expect(damage == nil)
      var entries = [RunEntry(key: 0, state: 0)]
      switch run.readAside(medium, lines: Self.lines, at: key, into: &entries) {
      case .read: #expect(Array(entries.dropFirst()) == expected)
      case .impossible: impossible += 1
      case .damaged: Issue.record("nothing is damaged")
      }
      found += expected.count
    }
    #expect(found >= min(count, 500))
    // What is spread as hashes are is found so.
    if spread == 0 { #expect(impossible == 0) }
  }

  @Test func damage() throws {
    let file = TemporaryFile()
    let medium = try openMedium(file)
    defer { medium.unmap() }
    var generator = SeededGenerator(seed: 4)
    let keys = (0..<10_000).map { _ in generator.next() % RunEntry.keyLimit }.sorted()
    let run = try written(keys, to: medium)
    var line = unsafe Array(medium.bytes[run.blockOffset(100)..<run.blockOffset(100) + lineSize])
    line[40] ^= 1
    try unsafe line.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
      try unsafe medium.write(line, at: run.blockOffset(100), site: .run)
    }
    var entries: [RunEntry] = []
    let key = keys[100 * RunBlock.narrowCapacity + 3]
    let found = run.readAside(medium, lines: Self.lines, at: key, into: &entries)
    #expect(found == .damaged(offset: run.blockOffset(100)) && entries.isEmpty)
  }

  @Test func memoryHasNoSuchWay() throws {
    let medium = try Medium.memory(image: [UInt8](repeating: 0, count: Self.size), domain: .processOnly)
    defer { medium.unmap() }
    let run = try written([5], to: medium)
    var entries: [RunEntry] = []
    #expect(run.readAside(medium, lines: Self.lines, at: 5, into: &entries) == .impossible && entries.isEmpty)
    #expect(run.readAside(medium, lines: Self.lines, at: RunEntry.keyLimit, into: &entries) == .read)
  }
}
