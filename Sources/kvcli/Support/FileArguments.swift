import SystemPackage

/// Files named on the command line, and the standard streams that `-` stands for.
enum FileArguments {
  /// Hands a reader of the file that `argument` names, or of standard input for `-`, to `body`.
  static func withInput<Result>(_ argument: String, _ body: (inout ByteReader) throws -> Result) throws -> Result {
    guard argument != "-" else {
      if Platform.isTerminal(0) { Console.message("reading from the terminal; Ctrl-D ends the input") }
      var reader = ByteReader(.standardInput, name: "standard input")
      return try body(&reader)
    }
    let path = RawArguments.path(of: argument)
    let descriptor: FileDescriptor
    do {
      descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    } catch let error as Errno {
      let status: ExitStatus = error == .noSuchFileOrDirectory || error == .notDirectory ? .noInput : .inputOutput
      throw Failure(status, "\(path): \(error.description)")
    }
    return try descriptor.closeAfter {
      var reader = ByteReader(descriptor, name: path.string)
      return try body(&reader)
    }
  }

  /// Hands a writer to the file that `argument` names, or to standard output for `nil` and `-`, to `body`, and flushes it.
  /// The file is made, or emptied, first.
  static func withOutput(_ argument: String?, _ body: (ByteWriter) throws -> Void) throws {
    guard let argument, argument != "-" else {
      let writer = ByteWriter.standardOutput()
      try body(writer)
      return try writer.flush()
    }
    let path = RawArguments.path(of: argument)
    let descriptor: FileDescriptor
    do {
      descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite])
    } catch let error as Errno {
      throw Failure(.cannotCreate, "\(path): \(error.description)")
    }
    do {
      try descriptor.closeAfter {
        let writer = ByteWriter(descriptor, name: path.string)
        try body(writer)
        try writer.flush()
      }
    } catch let error as Errno {
      // Some file systems report a failed write only when the file is closed.
      throw Failure(.inputOutput, "\(path): \(error.description)")
    }
  }
}
