@testable import BarKV

/// What is done to a sample image before a store is opened in it, as bytes: each byte string is one, so that a fuzzer can
/// make them, and each stays meaningful when a byte of it changes. An edit names its place by what is there, not by an
/// offset, and the checksums can be put right afterwards: so what is senseless gets past them.
///
/// | byte | says |
/// |---|---|
/// | 0 | which sample |
/// | 1 | bit 0: checksums are fixed; bit 1: reads verify; bit 2: one lane |
/// | 2 to 15, 16 to 29 … | edits, at most 12 |
///
/// An edit: what it does (1), its place (1), which of those places (2), the offset there (2), a number (8), little-endian.
struct EditList {
  static let samples = [SampleImage.closed, .open, .mostlyExtents, .manySegments, .smallest]
  static let editBytes = 14
  static let maximumEdits = 12

  let bytes: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Random edits, one to six; numbers are mostly such as only malice writes.
  static func random(using generator: inout SeededGenerator) -> EditList {
    var bytes = generator.bytes(2)
    for _ in 0...generator.below(6) {
      bytes += generator.bytes(editBytes - 8)
      let number: UInt64 =
        switch generator.below(12) {
        case 0: 0
        case 1: 1
        case 2: .max
        case 3: .max - 1
        case 4: 1 << 63
        case 5: 1 << 63 - 1
        case 6: 0xFFFF_FFFF_0000_0000
        case 7: 0x7FFF_FFFF
        case 8: UInt64(generator.below(128 << 10))
        case 9: 64 << UInt64(generator.below(16))
        default: generator.next()
        }
      for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index))) }
    }
    return EditList(bytes)
  }

  // MARK: Reading

  private func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }
  private func number(_ index: Int, bytes count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(byte(index + $1)) << UInt64(8 * $1) }
  }

  var sample: SampleImage { Self.samples[Int(byte(0)) % Self.samples.count] }
  var fixesChecksums: Bool { byte(1) & 1 != 0 }
  var verifiesReads: Bool { byte(1) & 2 != 0 }
  var hasOneLane: Bool { byte(1) & 4 != 0 }
  var editCount: Int { min(Self.maximumEdits, max(0, bytes.count - 2) / Self.editBytes) }

  /// The image that results.
  func image() -> [UInt8] {
    var editor = ImageEditor(sample.bytes)
    for edit in 0..<editCount { apply(2 + edit * Self.editBytes, to: &editor) }
    if fixesChecksums { editor.fixChecksums() }
    return editor.bytes
  }

  // MARK: Applying

  private func apply(_ start: Int, to editor: inout ImageEditor) {
    let what = byte(start)
    let places = places(byte(start + 1), Int(number(start + 2, bytes: 2)), Int(number(start + 4, bytes: 2)), editor)
    let value = number(start + 6, bytes: 8)
    for place in places {
      switch what % 12 {
      case 0: editor.flip(bit: (place * 8 + Int(value % 512)) % (editor.bytes.count * 8))
      case 1: editor.store(UInt8(truncatingIfNeeded: value), place)
      case 2: editor.store(UInt16(truncatingIfNeeded: value), place & ~1)
      case 3, 4: editor.store(UInt32(truncatingIfNeeded: value), place & ~3)
      case 5, 6: editor.store(value, place & ~7)
      case 7: editor.store(editor.load(UInt32.self, place & ~3) &+ UInt32(truncatingIfNeeded: value), place & ~3)
      case 8: editor.store(editor.load(UInt64.self, place & ~7) &+ value, place & ~7)
      case 9: copyBlock(to: place, value, &editor)
      case 10: editor.overwrite(place, [UInt8](repeating: UInt8(value & 0xFF), count: Int(value >> 8 % 1024) + 1))
      default: swapBlocks(place, value, &editor)
      }
    }
    // Rarely: nothing but its refusal can come of it.
    if what == 255 { editor.resize(max(64, min(editor.bytes.count + (Int(value % 64) - 32) * 64, 128 << 10))) }
  }

  /// The offsets that an edit goes to: two, where there are two copies and both are meant.
  private func places(_ kind: UInt8, _ index: Int, _ offset: Int, _ editor: ImageEditor) -> [Int] {
    let anywhere = [(index * 64 + offset) % editor.bytes.count]
    guard editor.isLaidOut else { return anywhere }
    let copies = kind & 0x80 == 0 ? [index & 1] : [0, 1]
    switch kind % 8 {
    case 0: return copies.map { editor.superblocks[$0].lowerBound + offset % 256 }
    case 1: return copies.map { editor.manifests[$0].lowerBound + offset % 128 }
    case 2, 3:
      let segments = editor.usedSegments
      guard !segments.isEmpty else { return anywhere }
      let start = editor.segment(segments[index / 2 % segments.count]).lowerBound
      return copies.map { start + $0 * 64 + offset % 64 }
    case 4, 5, 6:
      let records = editor.usedSegments.flatMap { editor.records(ofSegment: $0) }
      guard !records.isEmpty else { return anywhere }
      let record = records[index % records.count]
      // The header and the key's start, or what stands behind the key: a fragment, a reference, a value.
      if kind % 8 < 6 { return [record + offset % 16] }
      return [(record + 12 + Int(editor.load(UInt16.self, record + 8)) + offset % 32) % editor.bytes.count]
    default: return anywhere
    }
  }

  private func blockSize(_ value: UInt64, _ editor: ImageEditor) -> Int {
    let size = [64, 64, 128, 256, 512, 1024, 2048, editor.isLaidOut ? editor.segmentSize : 64][Int(value >> 16 & 7)]
    return min(size, editor.bytes.count / 64 * 64)
  }

  private func copyBlock(to place: Int, _ value: UInt64, _ editor: inout ImageEditor) {
    let size = blockSize(value, editor)
    let from = Int(value & 0xFFFF) * 64 % (editor.bytes.count - size + 1) / 64 * 64
    editor.overwrite(place / 64 * 64, Array(editor.bytes[from..<from + size]))
  }

  private func swapBlocks(_ place: Int, _ value: UInt64, _ editor: inout ImageEditor) {
    let size = blockSize(value, editor)
    let count = editor.bytes.count / size
    let (first, second) = (place / size % count * size, Int(value & 0xFFFF) % count * size)
    let (a, b) = (Array(editor.bytes[first..<first + size]), Array(editor.bytes[second..<second + size]))
    editor.overwrite(first, b)
    editor.overwrite(second, a)
    guard editor.isLaidOut, value >> 19 & 1 == 1 else { return }
    // A segment header that names its new place is believed more easily.
    for number in 0..<editor.segmentCount {
      editor.store(UInt32(number), editor.segment(number).lowerBound + 12)
      editor.store(UInt32(number), editor.segment(number).lowerBound + 76)
    }
  }
}
