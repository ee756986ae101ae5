/// Random damage to an image: bits, bytes, blocks, and numbers set to what only malice writes.
enum Mutation {
  static func apply(to editor: inout ImageEditor, using generator: inout SeededGenerator) {
    let place = randomPlace(editor, &generator)
    switch generator.below(9) {
    case 0:
      for _ in 0...generator.below(8) {
        editor.flip(bit: (place * 8 + generator.below(512)) % (editor.bytes.count * 8))
      }
    case 1:
      editor.overwrite(place, generator.bytes(1 + generator.below(8)))
    case 2, 3, 4:
      setNumber(at: place & ~1, in: &editor, &generator)
    case 5:
      // A block from somewhere else.
      let size = [16, 64, 128, 1024].randomElement(using: &generator) ?? 64
      let from = randomPlace(editor, &generator)
      editor.overwrite(
        place / 64 * 64, editor.bytes[min(from, editor.bytes.count - size) / 64 * 64..<editor.bytes.count].prefix(size))
    case 6:
      swapBlocks(in: &editor, &generator)
    case 7:
      let byte: UInt8 = generator.oneIn(2) ? 0 : 0xFF
      editor.overwrite(
        place / 64 * 64, [UInt8](repeating: byte, count: [64, 128, 512].randomElement(using: &generator) ?? 64))
    default:
      growRecord(in: &editor, &generator)
    }
  }

  /// Somewhere in the region; mostly where something is that is looked at.
  private static func randomPlace(_ editor: ImageEditor, _ generator: inout SeededGenerator) -> Int {
    guard editor.isLaidOut else { return generator.below(editor.bytes.count) }
    switch generator.below(10) {
    case 0: return editor.superblocks[generator.below(2)].lowerBound + generator.below(110)
    case 1, 2: return editor.manifests[generator.below(2)].lowerBound + generator.below(96)
    case 3, 4:
      let segment = editor.usedSegments.randomElement(using: &generator) ?? 0
      return editor.segment(segment).lowerBound + generator.below(2) * 64 + generator.below(48)
    case 5, 6, 7:
      let segment = editor.usedSegments.randomElement(using: &generator) ?? 0
      guard let record = editor.records(ofSegment: segment).randomElement(using: &generator) else { break }
      return record + generator.below(44)
    default: break
    }
    return generator.below(editor.bytes.count)
  }

  /// Sets a number of 1 to 8 bytes to an extreme, or near what it was.
  private static func setNumber(at place: Int, in editor: inout ImageEditor, _ generator: inout SeededGenerator) {
    let old = editor.load(UInt64.self, place)
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
      case 8: old &+ 1
      case 9: old &- 1
      case 10: UInt64(generator.below(editor.bytes.count * 2))
      default: old << UInt64(generator.below(16))
      }
    switch generator.below(4) {
    case 0: editor.store(UInt8(truncatingIfNeeded: number), place)
    case 1: editor.store(UInt16(truncatingIfNeeded: number), place)
    case 2: editor.store(UInt32(truncatingIfNeeded: number), place / 4 * 4)
    default: editor.store(number, place / 8 * 8)
    }
  }

  private static func swapBlocks(in editor: inout ImageEditor, _ generator: inout SeededGenerator) {
    let size = [64, 128, editor.isLaidOut ? editor.segmentSize : 512].randomElement(using: &generator) ?? 64
    let count = editor.bytes.count / size
    guard count >= 1 else { return }
    let (first, second) = (generator.below(count) * size, generator.below(count) * size)
    let (a, b) = (Array(editor.bytes[first..<first + size]), Array(editor.bytes[second..<second + size]))
    editor.overwrite(first, b)
    editor.overwrite(second, a)
    guard editor.isLaidOut, generator.oneIn(2) else { return }
    // A segment header that names its new place is believed more easily.
    for number in 0..<editor.segmentCount {
      editor.store(UInt32(number), editor.segment(number).lowerBound + 12)
      editor.store(UInt32(number), editor.segment(number).lowerBound + 76)
    }
  }

  /// Changes a record's lengths, kind or settled bit, or the fields of a batch or of a reference.
  private static func growRecord(in editor: inout ImageEditor, _ generator: inout SeededGenerator) {
    guard editor.isLaidOut, let segment = editor.usedSegments.randomElement(using: &generator),
      let record = editor.records(ofSegment: segment).randomElement(using: &generator)
    else { return }
    switch generator.below(5) {
    case 0: editor.store(UInt16(truncatingIfNeeded: generator.next()), record + 8)
    case 1: editor.store(UInt16(truncatingIfNeeded: generator.next()), record + 10)
    case 2: editor.store(UInt32(truncatingIfNeeded: generator.next()), record + 4)
    case 3: editor.flip(bit: record * 8 + 95)
    default:
      let field = record + 12 + Int(editor.load(UInt16.self, record + 8))
      setNumber(at: (field + generator.below(24)) & ~3, in: &editor, &generator)
    }
  }
}
