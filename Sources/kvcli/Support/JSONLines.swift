/// Entries as JSON lines, for any bytes: `{"key":"…","value":"…"}`.
///
/// What is not well-formed UTF-8 stands in Base64 under the member `key_base64` or `value_base64` instead; `key_hex` and
/// `value_hex` are read and, when asked for, written too. An object has one member for the key and one for the value.
enum JSONLines {
  // MARK: Reading

  /// Reads `line`, which has no line feed, into `entry`.
  static func read(_ line: ArraySlice<UInt8>, into entry: inout Entry) throws(LineError) {
    var scanner = JSONScanner(line)
    var (hasKey, hasValue) = (false, false)
    var name: [UInt8] = []
    try scanner.expect("{", or: "the line is no JSON object")
    guard !scanner.consume("}") else { throw LineError("the object has no key") }
    repeat {
      name.removeAll(keepingCapacity: true)
      try scanner.readString(into: &name)
      try scanner.expect(":", or: "a member name is not followed by a colon")
      switch String(decoding: name, as: UTF8.self) {
      case "key": try read(&scanner, nil, "key", &hasKey, into: &entry.key)
      case "key_base64": try read(&scanner, .base64, "key", &hasKey, into: &entry.key)
      case "key_hex": try read(&scanner, .hex, "key", &hasKey, into: &entry.key)
      case "value": try read(&scanner, nil, "value", &hasValue, into: &entry.value)
      case "value_base64": try read(&scanner, .base64, "value", &hasValue, into: &entry.value)
      case "value_hex": try read(&scanner, .hex, "value", &hasValue, into: &entry.value)
      default: throw LineError("unknown member “\(Console.shown(name))”; an entry has key and value")
      }
    } while scanner.consume(",")
    try scanner.expect("}", or: "the object does not end")
    guard scanner.isAtEnd else { throw LineError("something follows the object") }
    guard hasKey else { throw LineError("the object has no key") }
    guard hasValue else { throw LineError("the object has no value") }
  }

  /// Reads one member's string.
  private static func read(
    _ scanner: inout JSONScanner, _ encoding: ByteEncoding?, _ name: String, _ seen: inout Bool,
    into bytes: inout [UInt8]
  ) throws(LineError) {
    guard !seen else { throw LineError("the object has more than one \(name)") }
    seen = true
    bytes.removeAll(keepingCapacity: true)
    try scanner.readString(into: &bytes)
    guard let encoding else { return }
    guard let decoded = encoding.decode(bytes) else { throw LineError("the \(name) is not \(encoding.title)") }
    bytes = decoded
  }

  // MARK: Writing

  /// Writes one entry as a line.
  static func write(
    key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, encoding: ByteEncoding?, to writer: ByteWriter
  ) throws {
    try writer.write(byte: UInt8(ascii: "{"))
    try unsafe write(member: "key", key, encoding, to: writer)
    try writer.write(byte: UInt8(ascii: ","))
    try unsafe write(member: "value", value, encoding, to: writer)
    try writer.write("}\n")
  }

  /// Writes one member.
  private static func write(
    member name: String, _ bytes: UnsafeRawBufferPointer, _ encoding: ByteEncoding?, to writer: ByteWriter
  ) throws {
    if let encoding = unsafe encoding ?? (UTF8Text.isValid(bytes) ? nil : .base64) {
      try writer.write("\"\(name)_\(encoding.rawValue)\":\"")
      try unsafe encoding.write(bytes, to: writer)
      try writer.write(byte: UInt8(ascii: "\""))
    } else {
      try writer.write("\"\(name)\":")
      try unsafe JSON.write(string: bytes, to: writer)
    }
  }
}
