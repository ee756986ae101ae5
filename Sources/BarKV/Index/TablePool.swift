import CBarKV

/// Memory for the index's tables: in chunks of huge pages, each cut into blocks of one size.
///
/// A random search looks at a line somewhere in many megabytes of tables. In ordinary pages that costs a walk through the
/// page tables too, and each page that a growing table touches first costs a fault: together a tenth of a get, and of a
/// put. The sizes are few, and neighbours in a chunk are of one size, so that the tables of all partitions, which outgrow
/// a size at about the same time, leave whole chunks free for the next.
///
/// The kernel gives a huge page slowly: it clears it first, and where the machine is a guest its host may have to find the
/// memory as well, which takes milliseconds. So a few chunks are made ready ahead, on a thread that ends when they are.
///
/// Small regions take their tables, and very large tables are taken, from the general allocator.
@safe
final class TablePool: Sendable {
  static var chunkBytes: Int { 2 << 20 }
  /// From which size of the region on there are enough tables to fill chunks.
  static var leastRegionBytes: Int { 64 << 20 }
  /// The sizes of tables that are pooled.
  private static var pooledBytes: ClosedRange<Int> { 512...128 << 10 }
  /// Free chunks beyond so many, and beyond half of those in use, go back to the kernel: the next time that all tables
  /// grow they are needed again.
  private static var spareChunks: Int { 4 }
  /// How many chunks are at hand, for so many in use: as all tables grow at about the same time, many are needed at once.
  private static func chunksAhead(inUse: Int) -> Int { min(max(inUse / 4, 2), 64) }

  private struct Chunk {
    /// The size of its blocks; 0 where it is free.
    var blockBytes: Int
    /// Blocks that were given back: they are not zero any more.
    var free: [Int] = []
    /// Blocks from this one on were never given out since the chunk was cut.
    var next = 0
    var used = 0
    /// Whether blocks that were never given out are zero, as the kernel gave them.
    var isFresh: Bool

    var blockCount: Int { TablePool.chunkBytes / blockBytes }
    var isFull: Bool { free.isEmpty && next == blockCount }
  }

  private struct State {
    /// By the number of the chunk's address.
    var chunks: [Int: Chunk] = [:]
    /// Chunks with room, by the size of their blocks.
    var open: [Int: Set<Int>] = [:]
    /// Chunks that were used.
    var spare: [Int] = []
    /// Chunks that are zero, all of whose pages the kernel has given.
    var prepared: [Int] = []
    var preparer = TransientThread()

    var needsMore: Bool { spare.count + prepared.count < TablePool.chunksAhead(inUse: chunks.count) }
  }

  private let state = Locked(State())
  private let isPooled: Bool
  private let preparesAhead: Bool

  /// - Parameter preparesAhead: whether a thread of its own makes chunks ready; ``stop()`` has to be called then.
  init(regionBytes: Int, preparesAhead: Bool) {
    isPooled = regionBytes >= Self.leastRegionBytes
    self.preparesAhead = preparesAhead
  }

  deinit {
    state.withLock { state in
      for number in state.chunks.keys { unsafe barkv_huge_free(Self.chunk(number), Self.chunkBytes) }
      for number in state.spare + state.prepared { unsafe barkv_huge_free(Self.chunk(number), Self.chunkBytes) }
    }
  }

  /// The size that is given out where `bytes` bytes are wanted: at most an eighth more.
  func size(for bytes: Int) -> Int {
    let lines = lineCount(bytes: bytes)
    guard isPooled, Self.pooledBytes.contains(bytes) else { return lines * lineSize }
    let unit = 1 << max(0, Int.bitWidth - lines.leadingZeroBitCount - 4)
    return roundUp(lines, to: unit) * lineSize
  }

  /// Zeroed memory of a size that ``size(for:)`` gave, from the start of a line on.
  @unsafe
  func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
    assert(size(for: bytes) == bytes)
    if isPooled, Self.pooledBytes.contains(bytes), let block = unsafe block(bytes) { return unsafe block }
    return unsafe allocateLines(bytes: bytes)
  }

  /// Gives back what ``allocate(_:)`` gave.
  @unsafe
  func deallocate(_ memory: UnsafeMutableRawPointer, bytes: Int) {
    let number = Int(bitPattern: memory) / Self.chunkBytes
    let isBlock = state.withLock { state in
      guard state.chunks[number] != nil else { return false }
      Self.give(Int(bitPattern: memory) % Self.chunkBytes / bytes, of: number, back: &state)
      return true
    }
    if !isBlock { unsafe memory.deallocate() }
  }

  private static func chunk(_ number: Int) -> UnsafeMutableRawPointer? {
    unsafe UnsafeMutableRawPointer(bitPattern: number * chunkBytes)
  }

  /// A zeroed block, or `nil` where the kernel has no memory for a chunk.
  @unsafe
  private func block(_ bytes: Int) -> UnsafeMutableRawPointer? {
    let place = state.withLock { state -> (memory: UInt, isZero: Bool)? in
      guard let number = state.open[bytes]?.first ?? Self.cut(bytes, &state), var chunk = state.chunks[number] else {
        return nil
      }
      let index: Int
      let isZero: Bool
      if let freed = chunk.free.popLast() {
        (index, isZero) = (freed, false)
      } else {
        (index, isZero) = (chunk.next, chunk.isFresh)
        chunk.next += 1
      }
      chunk.used += 1
      if chunk.isFull { state.open[bytes]?.remove(number) }
      state.chunks[number] = chunk
      if index == 0 { prepareAhead(&state) }
      return (UInt(bitPattern: number * Self.chunkBytes + index * bytes), isZero)
    }
    guard let place, let memory = unsafe UnsafeMutableRawPointer(bitPattern: place.memory) else { return nil }
    if !place.isZero { unsafe memory.initializeMemory(as: UInt64.self, repeating: 0, count: bytes / 8) }
    return unsafe memory
  }

  /// Cuts a spare or a new chunk into blocks of `bytes` bytes.
  private static func cut(_ bytes: Int, _ state: inout State) -> Int? {
    let number: Int
    let isFresh: Bool
    if let spare = state.spare.popLast() {
      (number, isFresh) = (spare, false)
    } else if let prepared = state.prepared.popLast() {
      (number, isFresh) = (prepared, true)
    } else {
      guard let memory = unsafe barkv_huge_allocate(chunkBytes) else { return nil }
      (number, isFresh) = (Int(bitPattern: memory) / chunkBytes, true)
    }
    state.chunks[number] = Chunk(blockBytes: bytes, isFresh: isFresh)
    state.open[bytes, default: []].insert(number)
    return number
  }

  private static func give(_ index: Int, of number: Int, back state: inout State) {
    guard var chunk = state.chunks[number] else { return }
    chunk.free.append(index)
    chunk.used -= 1
    state.open[chunk.blockBytes, default: []].insert(number)
    state.chunks[number] = chunk
    guard chunk.used == 0 else { return }
    // Free as a whole: for tables of any size.
    state.open[chunk.blockBytes]?.remove(number)
    state.chunks[number] = nil
    if state.spare.count < max(spareChunks, state.chunks.count / 2) {
      state.spare.append(number)
    } else {
      unsafe barkv_huge_free(Self.chunk(number), chunkBytes)
    }
  }

  // MARK: Chunks ahead

  /// Sees to it that there are chunks at hand; returns at once.
  private func prepareAhead(_ state: inout State) {
    if preparesAhead, state.needsMore { state.preparer.start { [self] in prepare() } }
  }

  private func prepare() {
    while let number = nextToPrepare() {
      if let memory = unsafe Self.chunk(number) { unsafe barkv_populate(memory, Self.chunkBytes) }
      state.withLock { $0.prepared.append(number) }
    }
  }

  /// A new chunk to be made ready; without one the thread's work is done.
  private func nextToPrepare() -> Int? {
    state.withLock { state in
      guard !state.preparer.isStopped, state.needsMore, let memory = unsafe barkv_huge_allocate(Self.chunkBytes) else {
        state.preparer.ended()
        return nil
      }
      return Int(bitPattern: memory) / Self.chunkBytes
    }
  }

  /// Waits until nothing is being prepared, for good. Memory is given out as before.
  func stop() {
    state.withLock { $0.preparer.stop() }?.join()
  }
}
