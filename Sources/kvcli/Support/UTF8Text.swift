/// Which bytes are well-formed UTF-8, as the Unicode standard (table 3-7) has it.
enum UTF8Text {
  /// The length of the well-formed sequence that starts at `position`: 1 to 4, or 0 where none does.
  @inline(__always)
  static func sequenceLength<Bytes: RandomAccessCollection<UInt8>>(in bytes: Bytes, at position: Int) -> Int
  where Bytes.Index == Int {
    let first = bytes[position]
    if first < 0x80 { return 1 }
    let left = bytes.endIndex - position

    /// Whether the byte `offset` places on is within `range`.
    func follows(_ offset: Int, _ range: ClosedRange<UInt8>) -> Bool {
      offset < left && range.contains(bytes[position + offset])
    }

    let any: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0xC2...0xDF:
      return follows(1, any) ? 2 : 0
    case 0xE0...0xEF:
      // No overlong form of a shorter sequence, and no surrogate.
      let second: ClosedRange<UInt8> = first == 0xE0 ? 0xA0...0xBF : first == 0xED ? 0x80...0x9F : any
      return follows(1, second) && follows(2, any) ? 3 : 0
    case 0xF0...0xF4:
      // No overlong form, and nothing beyond U+10FFFF.
      let second: ClosedRange<UInt8> = first == 0xF0 ? 0x90...0xBF : first == 0xF4 ? 0x80...0x8F : any
      return follows(1, second) && follows(2, any) && follows(3, any) ? 4 : 0
    default:
      return 0
    }
  }

  /// Whether all of `bytes` is well-formed.
  static func isValid<Bytes: RandomAccessCollection<UInt8>>(_ bytes: Bytes) -> Bool where Bytes.Index == Int {
    var position = bytes.startIndex
    while position < bytes.endIndex {
      let length = sequenceLength(in: bytes, at: position)
      guard length > 0 else { return false }
      position += length
    }
    return true
  }
}
