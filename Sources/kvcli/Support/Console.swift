import SystemPackage

/// Messages to the person, on standard error, and reports on standard output.
enum Console {
  /// Writes the line `kvcli: MESSAGE` to standard error.
  static func message(_ text: String) {
    let line = "kvcli: " + String(text.map { $0.isNewline ? " " : $0 }) + "\n"
    write(Array(line.utf8))
  }

  /// Writes `bytes` to standard error; nobody could be told of a failure.
  static func write(_ bytes: [UInt8]) {
    let writer = ByteWriter(.standardError, name: "standard error")
    try? writer.write(bytes)
    try? writer.flush()
  }

  /// Writes a report to standard output: `json` on one line when it is asked for, `text` otherwise.
  static func report(asJSON: Bool, json: () -> JSON, text: () -> String) throws {
    let writer = ByteWriter.standardOutput()
    try writer.write(asJSON ? json().line : text())
    try writer.flush()
  }

  /// Bytes as a person may read them: printable ASCII as it is, other bytes as `\xHH`, and no more than 60 of them.
  static func shown(_ bytes: [UInt8]) -> String {
    var text = ""
    for byte in bytes.prefix(60) {
      if byte == UInt8(ascii: "\\") {
        text += "\\\\"
      } else if (0x20..<0x7F).contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "\\x" + Hex.text(byte)
      }
    }
    return bytes.count > 60 ? text + "…" : text
  }
}
