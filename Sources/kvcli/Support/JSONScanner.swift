/// Reads the few parts of JSON (RFC 8259) that an entry is made of: punctuation and strings.
struct JSONScanner {
  /// What is left to read.
  private var rest: ArraySlice<UInt8>

  /// A scanner of `text`.
  init(_ text: ArraySlice<UInt8>) {
    rest = text
  }

  /// Whether only white space is left.
  var isAtEnd: Bool {
    rest.allSatisfy(Self.isWhiteSpace)
  }

  /// Takes `character` if it comes next, after white space.
  mutating func consume(_ character: Unicode.Scalar) -> Bool {
    rest = rest.drop(while: Self.isWhiteSpace)
    guard rest.first == UInt8(ascii: character) else { return false }
    rest.removeFirst()
    return true
  }

  /// Takes `character`, which must come next.
  mutating func expect(_ character: Unicode.Scalar, or reason: String) throws(LineError) {
    guard consume(character) else { throw LineError(reason) }
  }

  /// Appends the bytes of the string that must come next.
  mutating func readString(into bytes: inout [UInt8]) throws(LineError) {
    try expect("\"", or: "something else stands where a string must; entries have strings only")
    while true {
      guard let special = rest.firstIndex(where: { $0 == 0x22 || $0 == 0x5C || $0 < 0x20 }) else {
        throw LineError("a string does not end")
      }
      let plain = rest[..<special]
      guard UTF8Text.isValid(plain) else {
        throw LineError("a string is not valid UTF-8; give such bytes as key_base64 or value_base64")
      }
      bytes.append(contentsOf: plain)
      let character = rest[special]
      rest = rest[(special + 1)...]
      switch character {
      case UInt8(ascii: "\""): return
      case UInt8(ascii: "\\"): try readEscape(into: &bytes)
      default: throw LineError("a control character in a string; write it as \\u00\(Hex.text(character))")
      }
    }
  }

  /// Appends what the escape after a backslash stands for.
  private mutating func readEscape(into bytes: inout [UInt8]) throws(LineError) {
    switch rest.popFirst() {
    case UInt8(ascii: "\""): bytes.append(UInt8(ascii: "\""))
    case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "/"): bytes.append(UInt8(ascii: "/"))
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0C)
    case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
    case UInt8(ascii: "r"): bytes.append(UInt8(ascii: "\r"))
    case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
    case UInt8(ascii: "u"): try bytes.append(contentsOf: readScalar())
    default: throw LineError("a backslash in a string is followed by none of \" \\ / b f n r t u")
    }
  }

  /// The UTF-8 of a `\u` escape whose `\u` has been read, and of the second half of its surrogate pair.
  private mutating func readScalar() throws(LineError) -> [UInt8] {
    let first = try readUnit()
    var value = UInt32(first)
    if UTF16.isLeadSurrogate(first) {
      guard rest.popFirst() == UInt8(ascii: "\\"), rest.popFirst() == UInt8(ascii: "u") else {
        throw LineError("half a surrogate pair; give such bytes as key_base64 or value_base64")
      }
      let second = try readUnit()
      guard UTF16.isTrailSurrogate(second) else {
        throw LineError("half a surrogate pair; give such bytes as key_base64 or value_base64")
      }
      value = 0x1_0000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value), let encoded = UTF8.encode(scalar) else {
      throw LineError("half a surrogate pair; give such bytes as key_base64 or value_base64")
    }
    return Array(encoded)
  }

  /// The four hexadecimal digits of a `\u` escape.
  private mutating func readUnit() throws(LineError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = rest.popFirst().flatMap(Hex.value(of:)) else {
        throw LineError("\\u needs four hexadecimal digits")
      }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }

  /// The four characters that may stand between tokens.
  private static func isWhiteSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }
}
