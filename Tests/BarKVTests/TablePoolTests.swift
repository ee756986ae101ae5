import Testing

@testable import BarKV

/// The memory of the index's tables.
@Suite struct TablePoolTests {
  @safe
  private struct Piece {
    var memory: UnsafeMutableRawPointer
    var bytes: Int
    var mark: UInt64
  }

  /// Tables of all sizes come and go: each is zero when it is given out, and nobody else's while it is held.
  @Test func piecesAreZeroAndApart() {
    for seed in Seeds.rounds(4) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      let pool = TablePool(regionBytes: TablePool.leastRegionBytes, preparesAhead: seed % 2 == 0)
      defer { pool.stop() }
      var held: [Piece] = []
      func give(back piece: Piece) {
        let words = unsafe UnsafeMutableBufferPointer(
          start: piece.memory.assumingMemoryBound(to: UInt64.self), count: piece.bytes / 8)
        #expect(unsafe words.allSatisfy { $0 == piece.mark }, "seed \(seed): somebody else wrote here")
        unsafe pool.deallocate(piece.memory, bytes: piece.bytes)
      }
      for step in 0..<4000 {
        // Grows, then shrinks, so that whole chunks come free and are cut anew.
        if held.isEmpty || generator.below(100) < (step / 500 % 2 == 0 ? 70 : 30) {
          let wanted = generator.oneIn(20) ? generator.below(200 << 10) + 1 : generator.below(20 << 10) + 1
          let bytes = pool.size(for: wanted)
          #expect(bytes >= wanted && bytes % lineSize == 0 && bytes <= wanted + wanted / 8 + lineSize)
          let memory = unsafe pool.allocate(bytes)
          #expect(Int(bitPattern: memory) % lineSize == 0)
          let words = unsafe UnsafeMutableBufferPointer(
            start: memory.assumingMemoryBound(to: UInt64.self), count: bytes / 8)
          #expect(unsafe words.allSatisfy { $0 == 0 }, "seed \(seed): not zero")
          let mark = generator.next() | 1
          unsafe words.update(repeating: mark)
          unsafe held.append(Piece(memory: memory, bytes: bytes, mark: mark))
        } else {
          give(back: held.remove(at: generator.below(held.count)))
        }
      }
      held.forEach { give(back: $0) }
    }
  }

  /// A region that is large enough for the pool: its tables grow under readers.
  @Test func tablesGrowUnderReaders() throws {
    let store = try Region(size: TablePool.leastRegionBytes).create()
    let count = 60_000
    try Threads.run(4) { thread in
      if thread < 2 {
        for number in stride(from: thread, to: count, by: 2) {
          try store.put(value(number, length: 9), for: key(number))
        }
      } else {
        var generator = SeededGenerator(seed: UInt64(thread))
        for _ in 0..<count {
          let number = generator.below(count)
          if let found = try store.get(key(number)) { #expect(found == value(number, length: 9)) }
        }
      }
    }
    #expect(store.count == count)
    for number in 0..<count { #expect(try store.get(key(number)) == value(number, length: 9)) }
  }
}
