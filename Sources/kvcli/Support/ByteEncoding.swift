import ArgumentParser

/// How bytes are written as text, where they are not given as they are.
enum ByteEncoding: String, EnumerableFlag {
  /// Two hexadecimal digits a byte.
  case hex
  /// Base64 of RFC 4648, with its padding.
  case base64

  static func help(for value: ByteEncoding) -> ArgumentHelp? {
    switch value {
    case .hex: "Read and show bytes as hexadecimal digits."
    case .base64: "Read and show bytes as Base64 (RFC 4648, padded)."
    }
  }

  /// The bytes that `text` stands for, or `nil` when it is not of this encoding.
  func decode<Text: RandomAccessCollection<UInt8>>(_ text: Text) -> [UInt8]? {
    switch self {
    case .hex: Hex.decode(text)
    case .base64: Base64.decode(text)
    }
  }

  /// Writes `bytes` in this encoding.
  func write(_ bytes: UnsafeRawBufferPointer, to writer: ByteWriter) throws {
    var position = 0
    while position < bytes.count {
      // A multiple of three, so that the pieces of Base64 join without padding.
      let end = min(position + 48 << 10, bytes.count)
      let piece = unsafe UnsafeRawBufferPointer(rebasing: bytes[position..<end])
      switch self {
      case .hex: try unsafe writer.write(Hex.encode(piece))
      case .base64: try unsafe writer.write(Base64.encode(piece))
      }
      position = end
    }
  }

  /// What an error message calls the encoding.
  var title: String {
    switch self {
    case .hex: "hexadecimal (an even number of the digits 0-9, a-f)"
    case .base64: "Base64 (RFC 4648, padded with =)"
    }
  }
}

/// Two hexadecimal digits a byte; lower case is written, both are read.
enum Hex {
  /// The digits, by value.
  static let digits = Array("0123456789abcdef".utf8)

  /// The text of `bytes`.
  static func encode<Bytes: RandomAccessCollection<UInt8>>(_ bytes: Bytes) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return text
  }

  /// The bytes of `text`, or `nil` when it is not hexadecimal.
  static func decode<Text: RandomAccessCollection<UInt8>>(_ text: Text) -> [UInt8]? {
    guard text.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 2)
    var high: UInt8?
    for character in text {
      guard let digit = value(of: character) else { return nil }
      if let first = high {
        bytes.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return bytes
  }

  /// The four digits of `number`.
  static func text(_ number: UInt16) -> String {
    text(UInt8(number >> 8)) + text(UInt8(number & 0xFF))
  }

  /// The two digits of one byte.
  static func text(_ byte: UInt8) -> String {
    String(decoding: encode([byte]), as: UTF8.self)
  }

  /// The value of one digit.
  static func value(of character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// Base64 of RFC 4648, section 4. Reading is strict, so that each text has one meaning and each value one text.
enum Base64 {
  /// The alphabet, by value.
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  /// The value of each character, 255 for those that are not of the alphabet.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()
  /// Fills the last group.
  private static let padding = UInt8(ascii: "=")

  /// The text of `bytes`.
  static func encode<Bytes: RandomAccessCollection<UInt8>>(_ bytes: Bytes) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var group: UInt32 = 0
    var held = 0
    for byte in bytes {
      group = group << 8 | UInt32(byte)
      held += 1
      guard held == 3 else { continue }
      append(group, characters: 4, to: &text)
      (group, held) = (0, 0)
    }
    if held > 0 {
      append(group << (8 * UInt32(3 - held)), characters: held + 1, to: &text)
      text.append(contentsOf: repeatElement(padding, count: 3 - held))
    }
    return text
  }

  /// Appends the first `characters` characters of a group of 24 bits.
  private static func append(_ group: UInt32, characters: Int, to text: inout [UInt8]) {
    for index in 0..<characters {
      text.append(alphabet[Int(group >> (18 - 6 * UInt32(index)) & 63)])
    }
  }

  /// The bytes of `text`, or `nil` when it is not padded Base64 or has stray bits in its last group.
  static func decode<Text: RandomAccessCollection<UInt8>>(_ text: Text) -> [UInt8]? {
    guard text.count.isMultiple(of: 4) else { return nil }
    let padded = text.suffix(2).reversed().prefix { $0 == padding }.count
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var group: UInt32 = 0
    var held: UInt32 = 0
    for character in text.dropLast(padded) {
      let value = values[Int(character)]
      guard value != 255 else { return nil }
      group = group << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: group >> held))
      }
    }
    guard group & (1 << held - 1) == 0, held == [0, 2, 4][padded] else { return nil }
    return bytes
  }
}
