/// What a segment is used for.
enum SegmentKind: UInt8, Sendable {
  /// Nothing.
  case free = 0
  /// Records, appended by a lane.
  case log = 1
  /// Extents: values of a page or more.
  case extents = 2
  /// Runs of the index.
  case runs = 3
}

/// The first line of a segment, and the second, which is a copy: what the segment is used for, since when, and by whom.
struct SegmentHeader: Sendable, Equatable {
  var kind: SegmentKind
  /// The segment's place in the region.
  var segment: Int
  /// How many neighbouring segments belong together: 1, or more for one large extent.
  var span: Int = 1
  /// Names this use of the segment: owner epoch in the upper half, a counter in the lower. No two uses share one, so
  /// that nothing written in an earlier use is ever taken for this one's.
  var generation: UInt64
  /// The sequence number that records count from.
  var baseSequence: UInt64
  /// The generation of the segment that the same lane filled before, or 0. It lets recovery tell a torn tail from damage:
  /// what stands in a later segment as settled proves that everything in this one was durable.
  var previousGeneration: UInt64

  static let magic: UInt32 = 0x5356_4B42  // "BKVS"

  /// One copy's bytes: a line.
  func encoded(seed: UInt64) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: lineSize)
    unsafe bytes.withUnsafeMutableBytes { buffer in
      let target = buffer.baseAddress!
      unsafe target.setLittleEndian(Self.magic, at: 0)
      unsafe target.setLittleEndian(kind.rawValue, at: 8)
      unsafe target.setLittleEndian(UInt32(segment), at: 12)
      unsafe target.setLittleEndian(generation, at: 16)
      unsafe target.setLittleEndian(baseSequence, at: 24)
      unsafe target.setLittleEndian(previousGeneration, at: 32)
      unsafe target.setLittleEndian(UInt32(span), at: 40)
      unsafe target.setLittleEndian(Self.checksum(UnsafeRawBufferPointer(buffer), seed: seed), at: 4)
    }
    return bytes
  }

  private static func checksum(_ line: UnsafeRawBufferPointer, seed: UInt64) -> UInt32 {
    let salt = Checksum.of(words: [seed], seed: magic)
    return unsafe Checksum.of(UnsafeRawBufferPointer(rebasing: line[8..<lineSize]), seed: salt)
  }

  /// What the two copies of a segment's header are.
  enum Found: Equatable, Sendable {
    /// Both copies are blank, or unreadable and not worth telling apart from a torn opening.
    case none(isBlank: Bool)
    /// A valid header; `damagedCopy` is the copy (0 or 1) that does not match it.
    case valid(SegmentHeader, damagedCopy: Int?)
  }

  static func read(from region: UnsafeRawBufferPointer, segment: Int, superblock: Superblock) -> Found {
    let start = superblock.geometry.segmentOffset(segment)
    let lines = unsafe UnsafeRawBufferPointer(rebasing: region[start..<start + Geometry.segmentHeaderBytes])
    return unsafe read(lines: lines, segment: segment, superblock: superblock)
  }

  /// - Parameter lines: the two lines where the segment begins.
  static func read(lines: UnsafeRawBufferPointer, segment: Int, superblock: Superblock) -> Found {
    let first = unsafe decode(lines, at: 0, segment: segment, superblock: superblock)
    let second = unsafe decode(lines, at: lineSize, segment: segment, superblock: superblock)
    switch (first, second) {
    case (let first?, let second?):
      // The copies of two uses: a crash between them. The later use had nothing acknowledged yet, nor has it now.
      if first == second { return .valid(first, damagedCopy: nil) }
      return (first.generation > second.generation) != Mutant.olderHeader.isActive
        ? .valid(first, damagedCopy: 1) : .valid(second, damagedCopy: 0)
    case (let first?, nil): return .valid(first, damagedCopy: 1)
    case (nil, let second?): return .valid(second, damagedCopy: 0)
    case (nil, nil):
      return .none(isBlank: unsafe lines.allSatisfy { $0 == 0 })
    }
  }

  private static func decode(
    _ lines: UnsafeRawBufferPointer, at offset: Int, segment: Int, superblock: Superblock
  ) -> SegmentHeader? {
    let line = unsafe UnsafeRawBufferPointer(rebasing: lines[offset..<offset + lineSize])
    let source = line.baseAddress!
    guard unsafe source.littleEndian(UInt32.self, at: 0) == magic,
      unsafe Mutant.acceptsHeaderChecksum.isActive
        || source.littleEndian(UInt32.self, at: 4) == checksum(line, seed: superblock.seed),
      let kind = unsafe SegmentKind(rawValue: source.littleEndian(UInt8.self, at: 8)), kind != .free,
      unsafe source.littleEndian(UInt32.self, at: 12) == UInt32(segment) || Mutant.acceptsForeignHeader.isActive
    else { return nil }
    let span = unsafe Int(source.littleEndian(UInt32.self, at: 40))
    // A right checksum on a senseless field is no damage that happens: it is refused all the same.
    guard span >= 1, span <= superblock.geometry.segmentCount - segment, kind == .extents || span == 1,
      unsafe source.littleEndian(UInt64.self, at: 24) < Manifest.countLimit
    else { return nil }
    return unsafe SegmentHeader(
      kind: kind, segment: segment, span: span, generation: source.littleEndian(UInt64.self, at: 16),
      baseSequence: source.littleEndian(UInt64.self, at: 24),
      previousGeneration: source.littleEndian(UInt64.self, at: 32))
  }

  /// What every record's checksum in this segment starts from.
  func salt(seed: UInt64) -> UInt32 {
    Checksum.of(
      words: [
        seed, Mutant.saltWithoutSegment.isActive ? 0 : UInt64(segment),
        Mutant.saltWithoutGeneration.isActive ? 0 : generation,
      ], seed: 0)
  }

  /// Writes both copies; the next barrier that covers them makes them durable.
  func write(to medium: Medium, superblock: Superblock, site: MediumSite) throws(StoreError) {
    let copy = encoded(seed: superblock.seed)
    let copies = copy + copy
    let offset = superblock.geometry.segmentOffset(segment)
    try unsafe copies.span.bytes.withUnsafeBytes { (buffer) throws(StoreError) in
      try unsafe medium.write(buffer, at: offset, site: site)
    }
  }

  /// Writes one copy again, where the other one serves.
  func writeCopy(_ copy: Int, to medium: Medium, superblock: Superblock) throws(StoreError) {
    let line = encoded(seed: superblock.seed)
    try unsafe line.span.bytes.withUnsafeBytes { (buffer) throws(StoreError) in
      try unsafe medium.write(
        buffer, at: superblock.geometry.segmentOffset(segment) + copy * lineSize, site: .headerCopy)
    }
  }

  /// Writes zeros over both copies, so that the segment is free for every later recovery.
  static func erase(segment: Int, in medium: Medium, geometry: Geometry, site: MediumSite) throws(StoreError) {
    let zeros = [UInt8](repeating: 0, count: Geometry.segmentHeaderBytes)
    try unsafe zeros.span.bytes.withUnsafeBytes { (buffer) throws(StoreError) in
      try unsafe medium.write(buffer, at: geometry.segmentOffset(segment), site: site)
    }
  }
}
