/// A JSON value for the reports of `--json`; members keep their order.
enum JSON {
  case string(String)
  case integer(Int)
  case count(UInt64)
  case number(Double)
  case boolean(Bool)
  case null
  case array([JSON])
  case object([(name: String, value: JSON)])

  /// The value as text on one line, with its line feed.
  var line: String {
    text + "\n"
  }

  /// The value as text.
  private var text: String {
    switch self {
    case .string(let string): Self.quoted(string)
    case .integer(let integer): String(integer)
    case .count(let count): String(count)
    case .number(let number): number.isFinite ? "\(number)" : "null"
    case .boolean(let boolean): boolean ? "true" : "false"
    case .null: "null"
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { "\(Self.quoted($0.name)):\($0.value.text)" }.joined(separator: ",") + "}"
    }
  }

  /// The bytes that a JSON string cannot hold as they are, and those that a terminal would act on.
  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F
  }

  /// The escape of such a byte.
  private static func escape(of byte: UInt8) -> [UInt8] {
    switch byte {
    case 0x22: Array("\\\"".utf8)
    case 0x5C: Array("\\\\".utf8)
    case 0x08: Array("\\b".utf8)
    case 0x09: Array("\\t".utf8)
    case 0x0A: Array("\\n".utf8)
    case 0x0C: Array("\\f".utf8)
    case 0x0D: Array("\\r".utf8)
    default: Array("\\u00\(Hex.text(byte))".utf8)
    }
  }

  /// `string` as a JSON string.
  private static func quoted(_ string: String) -> String {
    let escaped = string.utf8.flatMap { needsEscape($0) ? escape(of: $0) : [$0] }
    return "\"" + String(decoding: escaped, as: UTF8.self) + "\""
  }

  /// Writes `bytes`, which are valid UTF-8, as a JSON string.
  static func write(string bytes: UnsafeRawBufferPointer, to writer: ByteWriter) throws {
    try writer.write(byte: 0x22)
    var written = 0
    for position in bytes.indices where unsafe needsEscape(bytes[position]) {
      try unsafe writer.write(UnsafeRawBufferPointer(rebasing: bytes[written..<position]))
      try unsafe writer.write(escape(of: bytes[position]))
      written = position + 1
    }
    try unsafe writer.write(UnsafeRawBufferPointer(rebasing: bytes[written...]))
    try writer.write(byte: 0x22)
  }
}
