import ArgumentParser
import BarKV

/// `kvcli compact`: sets dead space free.
struct CompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact",
    abstract: "Set free what deleted and replaced entries take up.",
    discussion: """
      Copies what lives out of segments that hold much that is dead, and sets these free. A store does so by itself when \
      free space runs short; this does it all at once. Nothing is lost if the command is stopped, and no entry changes.

      Reports how many bytes more are free afterwards.
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var report: ReportOptions

  func run() throws {
    var progress = Progress()
    defer { progress.finish() }
    let started = Platform.nanoseconds()
    let (freed, after) = try target.withStore(.readWrite) { store in
      let before = store.statistics.freeBytes
      let freed = try store.compact { free in
        progress.update("compacting: \(Figures.bytes(free)) free, \(Figures.bytes(before)) before")
      }
      return (freed, store.statistics)
    }
    progress.finish()
    let nanoseconds = Platform.nanoseconds() - started
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("freedBytes", .count(freed)),
        ("freeBytes", .count(after.freeBytes)),
        ("liveBytes", .count(after.liveBytes)),
        ("deadBytes", .count(after.deadBytes)),
        ("seconds", .number(Double(nanoseconds) / 1e9)),
      ])
    } text: {
      """
      compacted \(target.store.path): \(Figures.bytes(freed)) freed, \(Figures.bytes(after.freeBytes)) free now, in \
      \(Figures.duration(nanoseconds: Double(nanoseconds)))

      """
    }
  }
}
