import ArgumentParser
import BarKV

/// The store that a command works on.
struct StoreArgument: ParsableArguments {
  /// Where the store lives.
  @Argument(
    help: "The store: PATH, file:PATH, dax:PATH, pci:DDDD:BB:DD.F/BAR or pmr:DDDD:BB:DD.F.", completion: .file(),
    transform: { text in
      guard RawArguments.isOrdinary(text) else { throw ValidationError("a store's path must be valid UTF-8") }
      return try StoreAddress(text)
    })
  var store: StoreAddress

  /// Where sysfs is mounted.
  @Option(
    help: ArgumentHelp("Where sysfs is mounted, or a copy of it for tests.", valueName: "path", visibility: .hidden),
    completion: .directory,
    transform: RawArguments.ordinaryPath)
  var sysfs = "/sys"

  /// How the store is opened.
  var options: StoreOptions {
    var options = StoreOptions()
    options.sysfs = sysfs
    return options
  }

  /// Opens the store, hands it to `body`, and closes it, whatever `body` does: what a command reports or acknowledges is
  /// true when it ends, and the next command of a pipeline finds the store free.
  func withStore<Result>(_ access: Access, _ body: (Store) throws -> Result) throws -> Result {
    let opened = try Store.open(at: store, access: access, options: options)
    return try StoreArgument.closing(opened, body)
  }

  /// Hands `store` to `body`, and closes it.
  static func closing<Result>(_ store: Store, _ body: (Store) throws -> Result) throws -> Result {
    let result: Result
    do {
      result = try body(store)
    } catch {
      // The first error is the one to report.
      try? store.close()
      throw error
    }
    try store.close()
    return result
  }
}

/// How keys and values are written as text.
struct EncodingOptions: ParsableArguments {
  /// The encoding, or none where bytes are given as they are.
  @Flag(exclusivity: .exclusive)
  var encoding: ByteEncoding?

  /// The bytes that the argument `text` stands for.
  func bytes(of text: String, called name: String) throws -> [UInt8] {
    let raw = RawArguments.bytes(of: text)
    guard let encoding else { return raw }
    guard let bytes = encoding.decode(raw) else { throw ValidationError("the \(name) is not \(encoding.title)") }
    return bytes
  }
}

/// The key that a command works on.
struct KeyArgument: ParsableArguments {
  /// The argument as it was given.
  @Argument(help: "The key; one that starts with a dash goes after “--”.")
  var key: String
}

/// The form of a report.
struct ReportOptions: ParsableArguments {
  /// Whether the report is JSON.
  @Flag(help: "Report as JSON, on one line.")
  var json = false
}
