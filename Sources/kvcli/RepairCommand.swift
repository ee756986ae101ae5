import ArgumentParser
import BarKV

/// `kvcli repair`: makes a damaged store whole.
struct RepairCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair",
    abstract: "Make a damaged store whole, and list what is lost.",
    discussion: """
      Checks everything, as verify does. What has a copy (of the superblock, of a segment's header) is written anew in \
      place. Any other damage is not mended in place: every entry that can be read whole is copied to a new store, \
      STORE.partial, which takes STORE's name when it is complete, checked and durable. Until then STORE is as it was; it \
      takes as much space again. What cannot be read is left out and listed, with its key where that can be read.

      With --to, STORE is left as it is for good, and the new store is FILE: the way to keep the damaged one. --size makes \
      it larger, where entries find no room in one of the same size.

      Ends with status 0 where nothing is lost: nothing was damaged, or all that was damaged could be mended. Ends with \
      status 2 where something is lost, or keys that had been deleted may be back, since the index was damaged; the store \
      is sound then, too. Where both copies of the superblock are damaged, nothing can be read, and the status is 65.

        kvcli repair cache.kv --to cache-repaired.kv
      """
  )

  @OptionGroup var target: StoreArgument

  @Option(
    name: .customLong("to"),
    help: ArgumentHelp("Write the new store to this file, and leave STORE as it is.", valueName: "file"),
    completion: .file(),
    transform: { text in
      guard RawArguments.isOrdinary(text) else { throw ValidationError("a store's path must be valid UTF-8") }
      return try StoreAddress(text)
    })
  var file: StoreAddress?

  @Option(help: "The size of the new store, as for create; that of STORE unless given.", transform: ByteSize.parse)
  var size: Int?

  @Flag(help: "Replace what is at FILE, unless it is a store in use.")
  var force = false

  @OptionGroup var report: ReportOptions

  func validate() throws {
    guard file != nil || (size == nil && !force) else { throw ValidationError("--size and --force go with --to.") }
  }

  func run() throws {
    var progress = Progress()
    defer { progress.finish() }
    let started = Platform.nanoseconds()
    let found: RepairReport
    do {
      found = try Store.repair(at: target.store, to: file, size: size, replacing: force) { done, total in
        let percent = total == 0 ? 100 : Double(done) * 100 / Double(total)
        progress.update("repairing: \(Figures.decimal(percent, places: 0)) %")
      }
    } catch StoreError.alreadyExists(let path) {
      throw Failure(.cannotCreate, "\(path) exists already: choose another path, or give --force to replace it.")
    } catch StoreError.full {
      throw Failure(
        .cannotCreate,
        "A store of that size has no room for the entries: give --to and a larger --size. STORE is as it was.")
    } catch {
      // Whether it is the store that failed or the new file: one that cannot be made says so by its call.
      if case .system = error { throw Failure(error.exitStatusOfCreation, error.description) }
      throw error
    }
    progress.finish()
    try announce(found, seconds: Double(Platform.nanoseconds() - started) / 1e9)
    guard found.lossCount == 0, !found.mayHoldDeletedKeys else { throw ExitCode(ExitStatus.damage.rawValue) }
  }

  /// Says what was found and done.
  private func announce(_ found: RepairReport, seconds: Double) throws {
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("file", .string((file ?? target.store).description)),
        ("outcome", .string(found.outcome.rawValue)),
        ("keys", .integer(found.keyCount)),
        ("mayHoldDeletedKeys", .boolean(found.mayHoldDeletedKeys)),
        ("damageCount", .integer(found.damageCount)),
        ("damage", .array(found.damage.map(\.json))),
        ("lossCount", .integer(found.lossCount)),
        ("losses", .array(found.losses.map(\.json))),
        ("seconds", .number(seconds)),
      ])
    } text: {
      let path = (file ?? target.store).path
      let outcome =
        switch found.outcome {
        case .sound: "nothing is damaged"
        case .mended: "mended in place"
        case .salvaged: "what is whole was copied to a new store"
        }
      let caution =
        found.mayHoldDeletedKeys
        ? "caution: the index was damaged; keys that had been deleted, or older values, may be there again\n" : ""
      return found.damage.map { "damaged: \($0.text)\n" }.joined()
        + found.losses.map { "lost: \($0.text)\n" }.joined() + caution + """
          \(path): \(outcome); \(Figures.counted(found.keyCount, "key")), \
          \(Figures.counted(found.damageCount, "damaged place")), \(Figures.grouped(found.lossCount)) lost, in \
          \(Figures.duration(nanoseconds: seconds * 1e9))

          """
    }
  }
}

extension Loss {
  /// The loss for programs: the key as text, or in Base64 where it is none; null where it is not known.
  fileprivate var json: JSON {
    let name: (name: String, value: JSON) =
      switch key {
      case nil: ("key", .null)
      case let key? where UTF8Text.isValid(key): ("key", .string(String(decoding: key, as: UTF8.self)))
      case let key?: ("key_base64", .string(String(decoding: Base64.encode(key), as: UTF8.self)))
      }
    return .object([
      ("kind", .string(kind.rawValue)), ("offset", .count(offset)), ("length", .count(length)), name,
    ])
  }

  /// The loss for people.
  fileprivate var text: String {
    let what = key.map { "the value of “\(Console.shown($0))”" } ?? "whatever stood there, keys unknown"
    return "\(what), \(kind.rawValue) at offset \(offset), \(Figures.counted(length, "byte"))"
  }
}
