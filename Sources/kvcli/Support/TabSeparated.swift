/// Entries as lines `key TAB value LF`, for any bytes.
///
/// Written: the printable ASCII characters from space to tilde, except the backslash, and well-formed UTF-8 sequences
/// above ASCII stand for themselves. Tab, line feed, carriage return and backslash are `\t`, `\n`, `\r` and `\\`; every
/// other byte is `\xHH` with two hexadecimal digits. Read: those escapes, and every other byte as it is.
enum TabSeparated {
  /// Starts an escape.
  private static let backslash = UInt8(ascii: "\\")
  /// Ends the key.
  private static let tab = UInt8(ascii: "\t")

  // MARK: Reading

  /// Reads `line`, which has no line feed, into `entry`.
  static func read(_ line: ArraySlice<UInt8>, encoding: ByteEncoding?, into entry: inout Entry) throws(LineError) {
    guard let end = line.firstIndex(of: tab) else {
      let hint = line.first == UInt8(ascii: "{") ? "; for JSON lines give --format jsonl" : ""
      throw LineError("no tab between key and value\(hint)")
    }
    let value = line[(end + 1)...]
    guard !value.contains(tab) else { throw LineError("more than one tab; a tab inside a value is written \\t") }
    guard line.last != UInt8(ascii: "\r") else {
      throw LineError("the line ends in CR LF; end lines in LF, or write \\r where the CR belongs to the value")
    }
    entry.key.removeAll(keepingCapacity: true)
    entry.value.removeAll(keepingCapacity: true)
    try read(column: line[..<end], called: "key", encoding: encoding, into: &entry.key)
    try read(column: value, called: "value", encoding: encoding, into: &entry.value)
  }

  /// Reads one column.
  private static func read(
    column: ArraySlice<UInt8>, called name: String, encoding: ByteEncoding?, into bytes: inout [UInt8]
  ) throws(LineError) {
    if let encoding {
      guard let decoded = encoding.decode(column) else { throw LineError("the \(name) is not \(encoding.title)") }
      bytes = decoded
      return
    }
    var rest = column
    while let escape = rest.firstIndex(of: backslash) {
      bytes.append(contentsOf: rest[..<escape])
      rest = rest[(escape + 1)...]
      switch rest.popFirst() {
      case backslash: bytes.append(backslash)
      case UInt8(ascii: "t"): bytes.append(tab)
      case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
      case UInt8(ascii: "r"): bytes.append(UInt8(ascii: "\r"))
      case UInt8(ascii: "x"):
        guard let high = rest.popFirst().flatMap(Hex.value(of:)), let low = rest.popFirst().flatMap(Hex.value(of:))
        else { throw LineError("\\x in the \(name) needs two hexadecimal digits") }
        bytes.append(high << 4 | low)
      default:
        throw LineError("a backslash in the \(name) is followed by none of \\ t n r x; write it as \\\\")
      }
    }
    bytes.append(contentsOf: rest)
  }

  // MARK: Writing

  /// Writes one entry as a line.
  static func write(
    key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, encoding: ByteEncoding?, to writer: ByteWriter
  ) throws {
    try unsafe write(column: key, encoding: encoding, to: writer)
    try writer.write(byte: tab)
    try unsafe write(column: value, encoding: encoding, to: writer)
    try writer.write(byte: UInt8(ascii: "\n"))
  }

  /// Writes one column.
  private static func write(column: UnsafeRawBufferPointer, encoding: ByteEncoding?, to writer: ByteWriter) throws {
    if let encoding { return try unsafe encoding.write(column, to: writer) }
    var position = 0
    var written = 0
    while position < column.count {
      let byte = unsafe column[position]
      let isPlain = byte >= 0x20 && byte != 0x7F && byte != backslash
      let length = unsafe isPlain ? UTF8Text.sequenceLength(in: column, at: position) : 0
      guard length == 0 else {
        position += length
        continue
      }
      try unsafe writer.write(UnsafeRawBufferPointer(rebasing: column[written..<position]))
      try write(escapeOf: byte, to: writer)
      position += 1
      written = position
    }
    try unsafe writer.write(UnsafeRawBufferPointer(rebasing: column[written...]))
  }

  /// Writes the escape that stands for `byte`.
  private static func write(escapeOf byte: UInt8, to writer: ByteWriter) throws {
    try writer.write(byte: backslash)
    switch byte {
    case backslash: try writer.write(byte: backslash)
    case tab: try writer.write(byte: UInt8(ascii: "t"))
    case UInt8(ascii: "\n"): try writer.write(byte: UInt8(ascii: "n"))
    case UInt8(ascii: "\r"): try writer.write(byte: UInt8(ascii: "r"))
    default:
      try writer.write(byte: UInt8(ascii: "x"))
      try writer.write(byte: Hex.digits[Int(byte >> 4)])
      try writer.write(byte: Hex.digits[Int(byte & 15)])
    }
  }
}
