import ArgumentParser
import BarKV

/// `kvcli get`: writes one value.
struct GetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Write the value of a key.",
    discussion: """
      Writes the value's bytes and nothing else, not even a line feed. Where the key is absent, writes nothing and ends \
      with status 1; a file named by -o is left as it is then.

      With --hex or --base64, KEY is read, and the value is written, in that encoding and with a line feed; with --raw the \
      value is written as it is all the same.

        kvcli get cache.kv greeting
        kvcli get cache.kv picture -o photo.jpg
        kvcli get cache.kv --hex --raw 00ff > value.bin
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var name: KeyArgument

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"), completion: .file())
  var output: String?

  @Flag(help: "Write the value's own bytes although the key is given in --hex or --base64.")
  var raw = false

  @OptionGroup var text: EncodingOptions

  func validate() throws {
    _ = try text.bytes(of: name.key, called: "key")
  }

  func run() throws {
    let key = try text.bytes(of: name.key, called: "key")
    let found: Void? = try target.withStore(.readOnly) { store in
      try store.withValue(of: key) { (value: RawSpan) throws -> Void in
        try FileArguments.withOutput(output) { writer in
          try unsafe value.withUnsafeBytes { try unsafe write($0, to: writer) }
        }
      }
    }
    guard found != nil else { throw Failure.absent(key) }
  }

  /// Writes the value in the form asked for.
  private func write(_ value: UnsafeRawBufferPointer, to writer: ByteWriter) throws {
    if let encoding = text.encoding, !raw {
      try unsafe encoding.write(value, to: writer)
      try writer.write(byte: UInt8(ascii: "\n"))
    } else {
      try unsafe writer.write(value)
    }
  }
}

extension Failure {
  /// The key is absent.
  static func absent(_ key: [UInt8]) -> Failure {
    Failure(.absent, "no entry has the key “\(Console.shown(key))”")
  }
}
