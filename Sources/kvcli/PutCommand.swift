import ArgumentParser
import BarKV

/// `kvcli put`: stores one entry.
struct PutCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Store a value under a key.",
    discussion: """
      The entry is durable when the command ends with status 0. An existing value is replaced.

        kvcli put cache.kv greeting hello
        kvcli put cache.kv picture --file photo.jpg
        tar c . | kvcli put cache.kv backup -
        kvcli put cache.kv --hex 00ff 0102
        kvcli put cache.kv -- -key -value

      --hex and --base64 say how KEY and VALUE are written here; a file's and standard input's bytes are always stored as \
      they are. A value may be empty: ''.
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var name: KeyArgument

  @Argument(help: "The value; “-” reads it from standard input.")
  var value: String?

  @Option(
    help: ArgumentHelp("Read the value from this file; “-” is standard input.", valueName: "file"),
    completion: .file())
  var file: String?

  @OptionGroup var text: EncodingOptions

  func validate() throws {
    guard value == nil || file == nil else { throw ValidationError("Give VALUE or --file, not both.") }
    guard value != nil || file != nil else {
      throw ValidationError("The value is missing: give VALUE, “-” for standard input, or --file.")
    }
    _ = try text.bytes(of: name.key, called: "key")
    if let value, value != "-" { _ = try text.bytes(of: value, called: "value") }
  }

  func run() throws {
    let key = try text.bytes(of: name.key, called: "key")
    // The value is read before the store is opened, so that a slow input does not keep others from it.
    let bytes: [UInt8]
    if let input = file ?? (value == "-" ? "-" : nil) {
      bytes = try FileArguments.withInput(input) { try $0.readAll(limit: Self.readLimit) }
    } else {
      bytes = try text.bytes(of: value ?? "", called: "value")
    }
    try target.withStore(.readWrite) { store in
      try store.put(bytes, for: key)
    }
  }

  /// No store takes a longer value, so an endless input is given up here.
  private static let readLimit = 1 << 30
}
