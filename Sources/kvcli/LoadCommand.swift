import ArgumentParser
import BarKV

/// `kvcli load`: stores many entries.
struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Store the entries of a text, one a line.",
    discussion: """
      tsv: key, tab, value. \\\\ \\t \\n \\r and \\xHH stand for backslash, tab, line feed, carriage return and any byte; all \
      other bytes stand for themselves. With --hex or --base64 both columns are written so instead.

      jsonl: {"key":"…","value":"…"}; key_base64, key_hex, value_base64 and value_hex give bytes that are not text, \
      whatever --hex and --base64 say.

      The form is that of --format; without it, jsonl for a FILE whose name ends in .jsonl or .ndjson, and tsv for \
      everything else. It is never guessed from the contents.

      Entries are written in groups. A group is one atomic batch: after a crash all of it is there or nothing, and it is \
      durable before the next one starts. --batch N makes groups of N lines; --batch 1 makes each line durable by itself. \
      Without it a group is up to 1,000 lines or 1 MiB, and fewer where the store takes no more.

      --acknowledge writes, after each group is durable, the number of lines that are durable by now: whatever happens \
      next, those lines are in the store. Its figures are all that goes to standard output then.

      A line that is no entry ends the command with status 65 and its number; the lines before it are in the store.

        kvcli load cache.kv entries.tsv
        zcat big.jsonl.gz | kvcli load cache.kv --format jsonl
      """
  )

  @OptionGroup var target: StoreArgument

  @Argument(help: "The text; standard input for “-” and where none is given.", completion: .file())
  var file: String = "-"

  @Option(help: "The text's form; by the file's name unless given.")
  var format: EntryFormat?

  @Option(
    help: ArgumentHelp(
      "Write groups of this many lines, each atomic; up to 1,000 lines or 1 MiB unless given.", valueName: "lines"))
  var batch: Int?

  @Flag(help: "After each group, write how many lines are durable.")
  var acknowledge = false

  @OptionGroup var text: EncodingOptions

  @OptionGroup var report: ReportOptions

  func validate() throws {
    if let batch, batch < 1 { throw ValidationError("--batch takes a number from 1 on.") }
    guard !(acknowledge && report.json) else {
      throw ValidationError("--acknowledge and --json both write to standard output: give one of them.")
    }
  }

  func run() throws {
    let started = Platform.nanoseconds()
    try FileArguments.withInput(file) { reader in
      try target.withStore(.readWrite) { store in
        var loader = Loader(store: store, groupSize: batch, acknowledges: acknowledge)
        try load(&reader, &loader)
        try announce(loader, nanoseconds: Platform.nanoseconds() - started)
      }
    }
  }

  /// Stores every line of `reader`.
  private func load(_ reader: inout ByteReader, _ loader: inout Loader) throws {
    let form = format ?? formatByName
    let size = reader.fileSize
    var progress = Progress()
    defer { progress.finish() }
    var entry = Entry()
    while true {
      do {
        guard let line = try reader.nextLine(limit: loader.lineLimit) else { break }
        switch form {
        case .tsv: try TabSeparated.read(line, encoding: text.encoding, into: &entry)
        case .jsonl: try JSONLines.read(line, into: &entry)
        }
        try loader.add(entry)
      } catch let error as LineError {
        progress.finish()
        try loader.finish()
        throw Failure(
          .corrupt, "\(reader.name): line \(loader.lineCount + 1): \(error.reason); \(loader.stored(inAll: true))")
      } catch let error as Loader.GroupError {
        progress.finish()
        throw Failure(error.status, "\(reader.name): \(error.lines): \(error.reason) \(loader.stored(inAll: false))")
      }
      progress.update(message(loader, consumed: reader.bytesConsumed, of: size))
    }
    do {
      try loader.finish()
    } catch let error as Loader.GroupError {
      progress.finish()
      throw Failure(error.status, "\(reader.name): \(error.lines): \(error.reason) \(loader.stored(inAll: false))")
    }
  }

  /// The form that the file's name says.
  private var formatByName: EntryFormat {
    let name = file.lowercased()
    return name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") ? .jsonl : .tsv
  }

  /// What the progress line says.
  private func message(_ loader: Loader, consumed: Int, of size: Int?) -> String {
    let done = "loading: \(Figures.counted(loader.storedCount, "line")), \(Figures.bytes(consumed))"
    guard let size else { return done }
    return done + " of \(Figures.bytes(size)) (\(consumed * 100 / max(1, size)) %)"
  }

  /// Says what was loaded.
  private func announce(_ loader: Loader, nanoseconds: UInt64) throws {
    let seconds = Double(nanoseconds) / 1e9
    let text = """
      loaded \(Figures.counted(loader.storedCount, "line")) (\(Figures.bytes(loader.byteCount))) in \
      \(Figures.duration(nanoseconds: Double(nanoseconds))), \(Figures.counted(loader.groupCount, "atomic group"))
      """
    if acknowledge {
      Console.message(text)
      return
    }
    try Console.report(asJSON: report.json) {
      .object([
        ("lines", .integer(loader.storedCount)),
        ("bytes", .integer(loader.byteCount)),
        ("groups", .integer(loader.groupCount)),
        ("seconds", .number(seconds)),
      ])
    } text: {
      text + "\n"
    }
  }
}
