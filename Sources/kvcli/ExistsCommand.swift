import ArgumentParser
import BarKV

/// `kvcli exists`: answers by its exit status whether a key is present.
struct ExistsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exists",
    abstract: "Say by the exit status whether a key is present.",
    discussion: """
      Ends with status 0 where the key is present and 1 where it is absent; writes nothing, unless --json is given.

        if kvcli exists cache.kv greeting; then …
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var name: KeyArgument

  @OptionGroup var text: EncodingOptions

  @OptionGroup var report: ReportOptions

  func validate() throws {
    _ = try text.bytes(of: name.key, called: "key")
  }

  func run() throws {
    let key = try text.bytes(of: name.key, called: "key")
    let isPresent = try target.withStore(.readOnly) { try $0.contains(key) }
    if report.json {
      try Console.report(asJSON: true, json: { .object([("exists", .boolean(isPresent))]) }, text: { "" })
    }
    guard isPresent else { throw ExitCode(ExitStatus.absent.rawValue) }
  }
}
