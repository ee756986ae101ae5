import Synchronization
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Backups: the store at one moment, which opens by itself.
@Suite struct BackupTests {
  /// Opens the image, checks that it is a store that was closed, and hands it to `body`.
  private func expectImage(at file: TemporaryFile, _ contents: Contents, _ comment: Comment? = nil) throws {
    for access in [Access.readOnly, .readWrite] {
      let image = try Store.open(at: file.address, access: access)
      #expect(image.recovery.wasClosed, comment)
      try image.expect(contents, comment)
      try image.expectSound(comment)
      if access == .readWrite {
        // Where the store was full to the last, so is its image.
        let isTaken = try isDone { try image.put("more", for: "after") }
        #expect(try image.getString("after") == (isTaken ? "more" : nil), comment)
        #expect(isTaken || image.statistics.liveBytes * 10 >= image.statistics.usableBytes * 9, comment)
      }
      try image.close()
    }
  }

  /// Fills a store by everything there is: records, extents, batches, tombstones, a checkpoint in the middle or not.
  private func fill(_ store: Store, using generator: inout SeededGenerator) throws -> Contents {
    var contents: Contents = [:]
    for step in 0..<generator.below(600) {
      let key = key(generator.below(80))
      switch generator.below(8) {
      case 0...3:
        let bytes = generator.bytes(generator.oneIn(4) ? generator.below(9000) : generator.below(300))
        if try isDone({ try store.put(bytes, for: key) }) { contents[key] = bytes }
      case 4, 5:
        _ = try store.delete(key)
        contents[key] = nil
      case 6:
        var batch = Batch()
        var changes: Contents = [:]
        for number in 0..<8 {
          let key = BarKVTests.key(generator.below(80))
          changes[key] = value(step * 10 + number, length: generator.below(2000))
          batch.put(changes[key] ?? [], for: key)
        }
        if try isDone({ try store.write(batch) }) { contents.merge(changes) { $1 } }
      default:
        if generator.oneIn(10) { try store.checkpoint() }
      }
    }
    return contents
  }

  @Test(arguments: [64 << 10, 1 << 20]) func whateverIsInIt(size: Int) throws {
    for seed in Seeds.rounds(12) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      let region = Region(size: size)
      let store = try region.create(segmentSize: generator.oneIn(2) ? 1 << (size > 1 << 16 ? 14 : 10) : nil, seed: seed)
      let contents = try fill(store, using: &generator)
      let file = TemporaryFile()
      let report = try store.backup(to: file.address)
      #expect(report.keyCount == contents.count)
      // The compactor may have gone on since.
      #expect(report.sequence > 0 || contents.isEmpty)
      #expect(report.sequence <= store.statistics.sequence)
      #expect(report.regionBytes == UInt64(size))
      try expectImage(at: file, contents, "seed \(seed)")
      // What was written by a backup is a store like any other: it survives a crash, too.
      try store.expect(contents)
      // A reader of what a crash left, which writes nothing to it.
      let reader = try region.copy().open(access: .readOnly)
      let other = TemporaryFile()
      let read = try reader.backup(to: other.address)
      #expect(read.keyCount == contents.count)
      try expectImage(at: other, contents, "seed \(seed), of a reader")
    }
  }

  /// Writers go on: each number is written to two keys by a batch, and acknowledged before the next.
  @Test func writersGoOn() throws {
    for round in 0..<4 {
      let source = TemporaryFile()
      let store = try Store.create(at: source.address, size: 8 << 20)
      let isDone = Atomic<Bool>(false)
      let acknowledged = (0..<2).map { _ in Counter() }
      let files = (0..<5).map { _ in TemporaryFile() }
      let before = Locked<[[Int]]>([])
      let after = Locked<[[Int]]>([])
      try Threads.run(3) { thread in
        guard thread < 2 else {
          defer { isDone.store(true, ordering: .relaxed) }
          for file in files {
            let known = acknowledged.map(\.value)
            before.withLock { $0.append(known) }
            try store.backup(to: file.address)
            let later = acknowledged.map(\.value)
            after.withLock { $0.append(later) }
          }
          return
        }
        var number = 0
        while !isDone.load(ordering: .relaxed) {
          number += 1
          var batch = Batch()
          let bytes = value(number, length: 60 + number % 200)
          batch.put(bytes, for: key(1000 + thread))
          batch.put(bytes, for: key(2000 + thread))
          batch.put(value(number, length: number % 31 == 0 ? 5000 : 10), for: key(10_000 + number % 300))
          try store.write(batch)
          try store.put(value(number, length: 8), for: key(3000 + thread))
          acknowledged[thread].set(number)
        }
      }
      for (number, file) in files.enumerated() {
        let image = try Store.open(at: file.address)
        #expect(image.recovery.wasClosed)
        try image.expectSound("round \(round), backup \(number)")
        for thread in 0..<2 {
          let (least, most) = (before.withLock { $0[number][thread] }, after.withLock { $0[number][thread] })
          let first = try image.get(key(1000 + thread))
          #expect(first == (try image.get(key(2000 + thread))), "half a batch")
          // One may be under way before its acknowledgement.
          let which = (least...most + 1).first { $0 == 0 ? first == nil : first == value($0, length: 60 + $0 % 200) }
          #expect(which != nil, "not one of the writes \(least) to \(most + 1)")
          if let which, which > 0 {
            let single = try image.get(key(3000 + thread))
            #expect(
              single == value(which, length: 8) || which > 1 && single == value(which - 1, length: 8)
                || which == 1 && single == nil)
          }
        }
        try image.close()
      }
    }
  }

  /// What a writer replaces, and a compaction would set free, stays as long as a backup reads it.
  @Test func nothingIsReusedMeanwhile() throws {
    let source = TemporaryFile()
    let store = try Store.create(at: source.address, size: 4 << 20)
    var contents: Contents = [:]
    for number in 0..<2000 {
      contents[key(number)] = value(number, length: 500)
      try store.put(contents[key(number)] ?? [], for: key(number))
    }
    let file = TemporaryFile()
    var turns = 0
    try store.backup(to: file.address) { _, _ in
      turns += 1
      // All of it anew, as far as there is room: what the backup has not copied yet is dead now.
      for number in 0..<2000 { _ = storeError { try store.put("new \(turns)", for: key(number)) } }
      _ = storeError { try store.compact() }
    }
    #expect(turns > 1)
    try expectImage(at: file, contents)
  }

  @Test func nothingIsOverwrittenUnasked() throws {
    let source = TemporaryFile()
    let store = try Store.create(at: source.address, size: 64 << 10)
    try store.put("1", for: "a")
    let file = TemporaryFile()
    try store.backup(to: file.address)
    try store.put("2", for: "a")
    #expect(storeError { try store.backup(to: file.address) } == .alreadyExists(file.path))
    #expect(storeError { try store.backup(to: source.address) } == .alreadyExists(source.path))
    try expectImage(at: file, [Array("a".utf8): Array("1".utf8)])
    // In use: itself, and another one.
    if case .busy = storeError({ try store.backup(to: source.address, replacing: true) }) {
    } else {
      Issue.record("a store is replaced by its own backup")
    }
    let reader = try Store.open(at: file.address, access: .readOnly)
    if case .busy = storeError({ try store.backup(to: file.address, replacing: true) }) {
    } else {
      Issue.record("a store in use is replaced")
    }
    try reader.close()
    try store.backup(to: file.address, replacing: true)
    try expectImage(at: file, [Array("a".utf8): Array("2".utf8)])
    #expect(unsafe access(file.path + ".partial", F_OK) != 0)
    // Where it cannot be made nothing is left behind.
    let nowhere = StoreAddress(path: file.path + ".nowhere/file")
    if case .system = storeError({ try store.backup(to: nowhere) }) {} else { Issue.record("made in no folder") }
    #expect(try store.getString("a") == "2")
    try store.close()
    #expect(storeError { try store.backup(to: file.address, replacing: true) } == .closed)
  }

  /// A number that one thread sets and others read.
  private final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .sequentiallyConsistent) }
    func set(_ value: Int) { number.store(value, ordering: .sequentiallyConsistent) }
  }
}
