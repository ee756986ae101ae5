@testable import BarKV

/// Changes an image at random: as a failing medium would, or as somebody would who means harm.
struct ImageMutator {
  private let base: Image.Map
  private var generator: SeededGenerator
  private(set) var image: [UInt8]

  /// - Parameter image: a sound image.
  init(_ image: [UInt8], map: Image.Map, generator: SeededGenerator) {
    self.image = image
    self.generator = generator
    base = map
  }

  private var geometry: Geometry { base.superblock.geometry }

  // MARK: Changing

  /// Makes one to six changes.
  mutating func mutate() {
    for _ in 0..<Int.random(in: 1...6, using: &generator) {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: flipBits()
      case 1: fill { $0.next() }
      case 2: fill { _ in 0 }
      case 3: fill { _ in .max }
      case 4: copyBlock(size: lineSize)
      case 5: copyBlock(size: geometry.segmentSize)
      case 6: swapBlocks(size: Bool.random(using: &generator) ? lineSize : geometry.segmentSize)
      default: setField()
      }
    }
  }

  /// An offset in the image, more often where something is than anywhere.
  private mutating func place() -> Int {
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: return Int.random(in: 0..<image.count, using: &generator)
    case 1:
      let copy = Int.random(in: 0..<2, using: &generator)
      return geometry.superblockOffset(copy) + Int.random(in: 0..<Superblock.encodedBytes, using: &generator)
    case 2:
      return geometry.manifestOffset(Int.random(in: 0..<2, using: &generator))
        + Int.random(in: 0..<96, using: &generator)
    case 3:
      let segment = Int.random(in: 0..<geometry.segmentCount, using: &generator)
      return geometry.segmentOffset(segment) + Int.random(in: 0..<Geometry.segmentHeaderBytes, using: &generator)
    default:
      guard let record = base.records.randomElement(using: &generator) else { return 0 }
      return record.offset + Int.random(in: 0..<record.header.byteCount, using: &generator)
    }
  }

  private mutating func flipBits() {
    for _ in 0..<Int.random(in: 1...8, using: &generator) {
      image[place()] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    }
  }

  private mutating func fill(_ byte: (inout SeededGenerator) -> UInt64) {
    let start = place()
    let longest = Bool.random(using: &generator) ? 16 : 600
    for offset in start..<min(image.count, start + Int.random(in: 1...longest, using: &generator)) {
      image[offset] = UInt8(truncatingIfNeeded: byte(&generator))
    }
  }

  private mutating func block(_ size: Int) -> Range<Int> {
    let start =
      size == lineSize
      ? place() / size * size : geometry.segmentOffset(Int.random(in: 0..<geometry.segmentCount, using: &generator))
    return start..<start + size
  }

  private mutating func copyBlock(size: Int) {
    let from = block(size)
    let to = block(size)
    image.replaceSubrange(to, with: Array(image[from]))
  }

  private mutating func swapBlocks(size: Int) {
    let first = block(size)
    let second = block(size)
    let kept = Array(image[first])
    image.replaceSubrange(first, with: Array(image[second]))
    image.replaceSubrange(second, with: kept)
  }

  // MARK: Fields

  private static let superblockFields = [
    (8, 4), (12, 2), (14, 2), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 8), (56, 4), (60, 4), (64, 4), (72, 8),
  ]
  private static let manifestFields = [(8, 4), (12, 4), (16, 8), (24, 8), (32, 8), (44, 4), (64, 4), (68, 4)]
  private static let headerFields = [(8, 1), (12, 4), (16, 8), (24, 8), (32, 8), (40, 4)]
  private static let recordFields = [(4, 4), (8, 2), (10, 2)]
  private static let fragmentFields = [(12, 8), (20, 4), (24, 4), (28, 4)]
  private static let referenceFields = [(0, 8), (8, 4), (12, 4), (16, 8)]

  /// Sets an integer of the format to an extreme, in both copies where there are two.
  private mutating func setField() {
    let fields: [(Int, Int)]
    var starts: [Int]
    switch Int.random(in: 0..<8, using: &generator) {
    case 0:
      fields = Self.superblockFields
      starts = [0, 1].map(geometry.superblockOffset)
    case 1, 2:
      fields = Self.manifestFields
      starts = [0, 1].map(geometry.manifestOffset)
    case 3, 4:
      guard let header = base.segments.randomElement(using: &generator) else { return }
      fields = Self.headerFields
      let start = geometry.segmentOffset(header.segment)
      starts = [start, start + lineSize]
    default:
      guard let record = base.records.randomElement(using: &generator) else { return }
      starts = [record.offset]
      switch (record.header.kind, Bool.random(using: &generator)) {
      case (.batch, true):
        fields = Self.fragmentFields
      case (.putExtent, true):
        fields = Self.referenceFields
        starts = [record.offset + Record.headerBytes + record.header.keyLength]
      default:
        fields = Self.recordFields
      }
    }
    guard let field = fields.randomElement(using: &generator) else { return }
    if Int.random(in: 0..<4, using: &generator) == 0 { starts.removeLast(starts.count - 1) }
    let value = extreme(field.1, now: integer(at: starts[0] + field.0, bytes: field.1))
    for start in starts { setInteger(value, at: start + field.0, bytes: field.1) }
  }

  private mutating func extreme(_ bytes: Int, now: UInt64) -> UInt64 {
    let most = UInt64.max >> UInt64(64 - 8 * bytes)
    let some: [UInt64] = [
      0, 1, 2, most, most - 1, most / 2, most / 2 + 1, most / 2 - 1, most >> 32, 1 << 32, now &+ 1, now &- 1, now &* 2,
      now &+ UInt64(lineSize), now ^ 0x8000, UInt64(geometry.segmentCount), UInt64(geometry.regionBytes), now << 32,
    ]
    return some.randomElement(using: &generator).map { $0 & most } ?? generator.next() & most
  }

  private func integer(at offset: Int, bytes: Int) -> UInt64 {
    (0..<bytes).reduce(0) { $0 | UInt64(image[offset + $1]) << UInt64(8 * $1) }
  }

  private mutating func setInteger(_ value: UInt64, at offset: Int, bytes: Int) {
    for index in 0..<bytes { image[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
  }

  // MARK: Fixing checksums

  /// Makes every checksum right again: what follows is no damage that the store could detect by one.
  mutating func fixChecksums() {
    for copy in 0..<2 {
      let start = geometry.superblockOffset(copy)
      setInteger(UInt64(checksum(start..<start + 252, seed: 0)), at: start + 252, bytes: 4)
    }
    let seed = integer(at: 72, bytes: 8)
    for area in 0..<2 {
      let start = geometry.manifestOffset(area)
      let count = min(max(8, Int(integer(at: start + 8, bytes: 4))), geometry.metadataStride)
      let salt = Checksum.of(words: [seed], seed: 0x4D56_4B42)
      setInteger(UInt64(checksum(start + 8..<start + count, seed: salt)), at: start + 4, bytes: 4)
    }
    for segment in 0..<geometry.segmentCount { fixSegment(segment, seed: seed) }
  }

  private mutating func fixSegment(_ segment: Int, seed: UInt64) {
    let start = geometry.segmentOffset(segment)
    for line in [start, start + lineSize] where integer(at: line, bytes: 4) == UInt64(SegmentHeader.magic) {
      let salt = Checksum.of(words: [seed], seed: SegmentHeader.magic)
      setInteger(UInt64(checksum(line + 8..<line + lineSize, seed: salt)), at: line + 4, bytes: 4)
    }
    let salt = Checksum.of(words: [seed, UInt64(segment), integer(at: start + 16, bytes: 8)], seed: 0)
    let end = start + geometry.segmentSize
    // The records where they stood, with the lengths that they have now.
    for record in base.records where record.segment == segment {
      let length = Int(integer(at: record.offset + 8, bytes: 2) + integer(at: record.offset + 10, bytes: 2) & 0xFFF)
      let stop = min(record.offset + Record.headerBytes + length, end)
      let crc = checksum(record.offset + 4..<stop, seed: salt)
      setInteger(UInt64(crc), at: record.offset, bytes: 4)
    }
  }

  private func checksum(_ range: Range<Int>, seed: UInt32) -> UInt32 {
    unsafe image[range].span.bytes.withUnsafeBytes { unsafe Checksum.of($0, seed: seed) }
  }
}
