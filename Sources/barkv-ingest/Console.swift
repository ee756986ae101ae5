import SystemPackage

/// Reports on standard output, and messages to the person on standard error.
enum Console {
  /// Writes the line `barkv-ingest: MESSAGE` to standard error.
  static func message(_ text: String) {
    // Nobody could be told of a failure.
    _ = try? FileDescriptor.standardError.writeAll(Array("barkv-ingest: \(text)\n".utf8))
  }

  /// Writes to standard output at once: what reads it may be waiting.
  static func write(_ text: String) throws {
    do { try FileDescriptor.standardOutput.writeAll(Array(text.utf8)) } catch {
      throw Failure(Failure.inputOutput, "standard output cannot be written: \((error as? Errno)?.description ?? "")")
    }
  }
}
