/// A run: immutable, ordered by hash, written once from front to back. It stands in an extent segment and is named by the
/// manifest.
///
/// ```
///  0       4        8        16     24       32        40        44       48     64        320
///  | BKVR  | CRC32C | number | from | up to | entries | blocks | is base | 0 …  | block 0 | block 1 | …
/// ```
///
/// A *base* run has all slots of its range, as they were when it was written; a *delta* run has what changed between two
/// cuts. The numbers of runs rise: a delta says nothing new about a range whose base run has a higher number. Base runs cover
/// all places; where the ranges of two overlap, the earlier in their order is the newer, and right.
struct Run: Sendable, Equatable {
  /// Where the run starts in the region.
  var offset: Int
  /// The generation of the segment that it stands in.
  var generation: UInt64
  /// Runs written later have higher numbers.
  var number: UInt64
  /// The places that it speaks for.
  var range: Range<UInt64>
  /// The first place that it is in force for: newer base runs may have taken over the front of its range.
  var start: UInt64
  var entryCount: Int
  var blockCount: Int
  var isBase: Bool
  /// What the checksums start from: that of the run's segment.
  var salt: UInt32

  static let headerBytes = 64
  private static let magic: UInt32 = 0x5256_4B42  // "BKVR"

  /// The run's bytes in the region.
  var byteCount: Int { Self.headerBytes + blockCount * RunBlock.byteCount }
  /// The lines that it takes up, padding to the next extent included.
  func lines(_ geometry: Geometry) -> Int { roundUp(byteCount, to: geometry.extentAlignment) / lineSize }

  /// The places that it is in force for.
  var reach: Range<UInt64> { start..<range.upperBound }

  /// How the manifest names it.
  var reference: RunReference { RunReference(offset: UInt64(offset), generation: generation) }

  // MARK: Writing

  /// What a run that is about to be written will hold: how long it is decides where it goes, and that what its checksums
  /// start from.
  struct Plan {
    /// The run, with no place yet.
    var run: Run
    /// The first entry that it does not hold.
    var next: Int
    fileprivate var blocks: [(range: Range<Int>, isNarrow: Bool)]
    fileprivate var stateBits: UInt64

    /// The run's bytes; `entries` are those that it was planned with.
    func encoded(_ entries: [RunEntry], salt: UInt32) -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: run.byteCount)
      unsafe bytes.withUnsafeMutableBytes { buffer in
        guard let target = buffer.baseAddress else { return }
        unsafe run.encodeHeader(to: target, salt: salt)
        for (position, block) in blocks.enumerated() {
          unsafe RunBlock.encode(
            entries[block.range], isNarrow: block.isNarrow, stateBits: stateBits, salt: salt,
            to: target + headerBytes + position * RunBlock.byteCount)
        }
      }
      return bytes
    }
  }

  /// Plans a run of as many of the entries from `start` on as fit into `capacity` bytes.
  ///
  /// Entries of one place stay together, so that a range ends between two places.
  static func plan(
    _ entries: [RunEntry], from start: Int, capacity: Int, number: UInt64, range: Range<UInt64>, isBase: Bool,
    stateBits: UInt64
  ) -> Plan {
    var blocks: [(range: Range<Int>, isNarrow: Bool)] = []
    let most = max(1, (capacity - headerBytes) / RunBlock.byteCount)
    var next = start
    while next < entries.count, blocks.count < most {
      let fit = RunBlock.fit(entries[next...], stateBits: stateBits)
      blocks.append((next..<next + fit.count, fit.isNarrow))
      next += fit.count
    }
    // What the last block would tear from its place goes to the next run.
    if next < entries.count {
      var cut = next
      while cut > start, entries[cut - 1].key == entries[next].key { cut -= 1 }
      if cut > start {
        next = cut
        while let last = blocks.last, last.range.lowerBound >= next { blocks.removeLast() }
        if let last = blocks.popLast() { blocks.append((last.range.lowerBound..<next, last.isNarrow)) }
      }
    }
    let upper = next < entries.count ? entries[next].key : range.upperBound
    let run = Run(
      offset: 0, generation: 0, number: number, range: range.lowerBound..<upper, entryCount: next - start,
      blockCount: blocks.count, isBase: isBase, salt: 0)
    return Plan(run: run, next: next, blocks: blocks, stateBits: stateBits)
  }

  @unsafe
  private func encodeHeader(to target: UnsafeMutableRawPointer, salt: UInt32) {
    unsafe target.setLittleEndian(Self.magic, at: 0)
    unsafe target.setLittleEndian(number, at: 8)
    unsafe target.setLittleEndian(range.lowerBound, at: 16)
    unsafe target.setLittleEndian(range.upperBound, at: 24)
    unsafe target.setLittleEndian(UInt64(entryCount), at: 32)
    unsafe target.setLittleEndian(UInt32(blockCount), at: 40)
    unsafe target.setLittleEndian(UInt32(isBase ? 1 : 0), at: 44)
    let body = unsafe UnsafeRawBufferPointer(start: target + 8, count: Self.headerBytes - 8)
    unsafe target.setLittleEndian(Checksum.of(body, seed: salt), at: 4)
  }

  // MARK: Reading

  /// Where the header of the run that a reference names stands, if it may: `room` is what the run's segment has for it.
  static func header(_ reference: RunReference, in room: Range<Int>) -> Range<Int>? {
    let offset = Int(truncatingIfNeeded: reference.offset)
    guard offset % lineSize == 0, room.contains(offset), offset <= room.upperBound - headerBytes else { return nil }
    return offset..<offset + headerBytes
  }

  /// The run that a reference names, or `nil` where its header is not a whole one.
  ///
  /// - Parameters:
  ///   - header: what stands where ``header(_:in:)`` says.
  ///   - end: the end of what the run's segment has for it.
  init?(_ reference: RunReference, header: UnsafeRawBufferPointer, end: Int, salt: UInt32) {
    let offset = Int(truncatingIfNeeded: reference.offset)
    precondition(header.count >= Self.headerBytes, "a run's header is a line")
    let source = header.baseAddress!
    let body = unsafe UnsafeRawBufferPointer(start: source + 8, count: Self.headerBytes - 8)
    guard unsafe source.littleEndian(UInt32.self, at: 0) == Self.magic,
      unsafe source.littleEndian(UInt32.self, at: 4) == Checksum.of(body, seed: salt)
        || Mutant.acceptsRunChecksum.isActive
    else { return nil }
    let lower = unsafe source.littleEndian(UInt64.self, at: 16)
    let upper = unsafe source.littleEndian(UInt64.self, at: 24)
    let entries = unsafe source.littleEndian(UInt64.self, at: 32)
    guard lower <= upper, upper <= RunEntry.keyLimit, entries <= UInt64(end) else { return nil }
    self.offset = offset
    generation = reference.generation
    number = unsafe source.littleEndian(UInt64.self, at: 8)
    range = lower..<upper
    start = lower
    entryCount = Int(entries)
    blockCount = unsafe Int(source.littleEndian(UInt32.self, at: 40))
    isBase = unsafe source.littleEndian(UInt32.self, at: 44) == 1
    self.salt = salt
    guard byteCount <= end - offset, number < Manifest.countLimit else { return nil }
  }

  private init(
    offset: Int, generation: UInt64, number: UInt64, range: Range<UInt64>, entryCount: Int, blockCount: Int,
    isBase: Bool, salt: UInt32
  ) {
    self.offset = offset
    self.generation = generation
    self.number = number
    self.range = range
    start = range.lowerBound
    self.entryCount = entryCount
    self.blockCount = blockCount
    self.isBase = isBase
    self.salt = salt
  }

  /// Adds the run's entries from place `lower` to before `upper`, in their order, to `entries`.
  ///
  /// - Parameter lines: where records may stand: an entry that names another line does not count.
  /// - Returns: the offset of a block that is damaged, or `nil`.
  /// - Complexity: the entries asked for, and a few blocks that are looked at to find the first.
  func read(
    _ region: UnsafeRawBufferPointer, lines: Range<Int>, from lower: UInt64, to upper: UInt64,
    into entries: inout [RunEntry]
  ) -> Int? {
    guard lower < range.upperBound, upper > range.lowerBound, blockCount > 0 else { return nil }
    let blocks = unsafe region.baseAddress! + offset + Self.headerBytes
    let first = unsafe firstBlock(blocks, reaching: lower)
    return unsafe decode(
      blocks + first * RunBlock.byteCount, numbers: first..<blockCount, from: lower, to: upper,
      regionBytes: region.count, lines: lines, into: &entries)
  }

  /// Adds the entries of neighbouring blocks as ``read(_:lines:from:to:into:)`` does, up to the first block behind the range.
  ///
  /// - Parameters:
  ///   - blocks: the first of the blocks, wherever it was read to.
  ///   - numbers: which of the run's they are.
  @unsafe
  func decode(
    _ blocks: UnsafeRawPointer, numbers: Range<Int>, from lower: UInt64, to upper: UInt64, regionBytes: Int,
    lines: Range<Int>, into entries: inout [RunEntry]
  ) -> Int? {
    let stateBits = RunBlock.stateBits(regionBytes: regionBytes)
    for block in numbers {
      let start = unsafe blocks + (block - numbers.lowerBound) * RunBlock.byteCount
      // The first one behind the range is checked like the others: its place has decided where the search began or ends.
      let isLast = unsafe RunBlock.firstKey(start) >= upper
      guard
        unsafe RunBlock.decode(
          start, from: lower, to: upper, stateBits: stateBits, lines: lines, salt: salt, into: &entries)
      else {
        return blockOffset(block)
      }
      if isLast { break }
    }
    return nil
  }

  /// Where a block stands in the region.
  func blockOffset(_ block: Int) -> Int { offset + Self.headerBytes + block * RunBlock.byteCount }

  /// The block in which a place is to be expected: places are spread evenly.
  func likelyBlock(_ key: UInt64) -> Int {
    let span = Double(range.upperBound - range.lowerBound)
    return Int(Double(key > range.lowerBound ? key - range.lowerBound : 0) / span * Double(blockCount))
  }

  /// The offsets of all blocks that do not match their checksums.
  func damagedBlocks(_ region: UnsafeRawBufferPointer) -> [Int] {
    let stateBits = RunBlock.stateBits(regionBytes: region.count)
    var offsets: [Int] = []
    var entries: [RunEntry] = []
    for block in 0..<blockCount {
      let position = blockOffset(block)
      entries.removeAll(keepingCapacity: true)
      let isWhole = unsafe RunBlock.decode(
        region.baseAddress! + position, from: 0, to: RunEntry.keyLimit, stateBits: stateBits,
        lines: 0..<region.count / lineSize, salt: salt, into: &entries)
      if !isWhole { offsets.append(position) }
    }
    return offsets
  }

  /// The last block that starts before the place, or the first one.
  @unsafe
  private func firstBlock(_ blocks: UnsafeRawPointer, reaching key: UInt64) -> Int {
    var low = 0
    var high = blockCount
    var guess = likelyBlock(key)
    var step = 1
    // Gallops away from the guess, then halves.
    while high - low > 1 {
      guess = min(max(guess, low + 1), high - 1)
      if unsafe RunBlock.firstKey(blocks + guess * RunBlock.byteCount) < key {
        low = guess
        guess += step
      } else {
        high = guess
        guess -= step
      }
      step *= 2
      if step > 8 { break }
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if unsafe RunBlock.firstKey(blocks + middle * RunBlock.byteCount) < key { low = middle } else { high = middle }
    }
    return low
  }
}

/// How the manifest names a run.
struct RunReference: Sendable, Equatable {
  var offset: UInt64
  var generation: UInt64
  static let encodedBytes = 16
}
