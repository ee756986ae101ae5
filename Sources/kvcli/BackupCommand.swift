import ArgumentParser
import BarKV

/// `kvcli backup`: writes an image of a store.
struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Write an image of a store, which is a store of its own.",
    discussion: """
      FILE is the store at one moment: everything that was acknowledged before, each batch whole or not at all. It has the \
      store's size and opens by itself. To move to a store of another size, dump the one and load the other.

      FILE gets its name when it is whole and durable, and not before; what exists is left as it is, unless --force is \
      given: then it is replaced at that moment. Until then the image is called FILE.partial.

      The store is opened for reading only, so other readers go on, and nothing in it changes. A process that owns the \
      store backs it up by its own call, Store.backup, while it goes on writing.

        kvcli backup cache.kv cache-monday.kv
      """
  )

  @OptionGroup var target: StoreArgument

  @Argument(
    help: "The image: PATH or file:PATH.", completion: .file(),
    transform: { text in
      guard RawArguments.isOrdinary(text) else { throw ValidationError("a store's path must be valid UTF-8") }
      return try StoreAddress(text)
    })
  var file: StoreAddress

  @Flag(help: "Replace what is at FILE, unless it is a store in use.")
  var force = false

  @OptionGroup var report: ReportOptions

  func run() throws {
    var progress = Progress()
    defer { progress.finish() }
    let started = Platform.nanoseconds()
    let written = try target.withStore(.readOnly) { store in
      do {
        return try store.backup(to: file, replacing: force) { done, total in
          progress.update("backing up: \(Figures.bytes(done)) of \(Figures.bytes(total))")
        }
      } catch StoreError.alreadyExists(let path) {
        throw Failure(.cannotCreate, "\(path) exists already: choose another path, or give --force to replace it.")
      } catch let error as StoreError {
        // Whether it is the store that failed or the new file: one that cannot be made says so by its call.
        if case .system = error { throw Failure(error.exitStatusOfCreation, error.description) }
        throw error
      }
    }
    progress.finish()
    let nanoseconds = Platform.nanoseconds() - started
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("file", .string(file.description)),
        ("keys", .integer(written.keyCount)),
        ("regionBytes", .count(written.regionBytes)),
        ("copiedBytes", .count(written.copiedBytes)),
        ("sequence", .count(written.sequence)),
        ("seconds", .number(Double(nanoseconds) / 1e9)),
      ])
    } text: {
      """
      backed up \(target.store.path) to \(file.path): \(Figures.counted(written.keyCount, "key")), \
      \(Figures.bytes(written.copiedBytes)) of \(Figures.bytes(written.regionBytes)) in use, in \
      \(Figures.duration(nanoseconds: Double(nanoseconds)))

      """
    }
  }
}
