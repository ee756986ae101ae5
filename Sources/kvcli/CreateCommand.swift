import ArgumentParser
import BarKV

/// `kvcli create`: formats a region.
struct CreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Create a store.",
    discussion: """
      Makes a file of the size given and formats it. What exists at the address already is left as it is, unless \
      --force is given: then everything in it is lost. A store that is in use is never replaced.

        kvcli create cache.kv --size 256MiB
        kvcli create pmr:0000:01:00.0

      A device is brought up, tried, and cleared: its store takes all of it, and --size can be left out.

      A store has one size for life; to move to a larger one, dump it and load the dump.
      """
  )

  @OptionGroup var target: StoreArgument

  @Option(help: "The region's size: \(ByteSize.help). A device has its own.", transform: ByteSize.parse)
  var size: Int?

  @Option(
    help: ArgumentHelp(
      "The size of a segment, a power of two; chosen by the region's size unless given.", valueName: "size"),
    transform: ByteSize.parse)
  var segmentSize: Int?

  @Flag(help: "Replace what is at the address; its contents are lost.")
  var force = false

  @OptionGroup var report: ReportOptions

  func validate() throws {
    guard size != nil || target.store.isDevice else { throw ValidationError("A file needs --size.") }
  }

  func run() throws {
    var options = target.options
    options.segmentSize = segmentSize
    do {
      let created = try Store.create(at: target.store, size: size, options: options, replacing: force)
      try StoreArgument.closing(created) { store in
        try announce(store.statistics)
      }
    } catch StoreError.alreadyExists(let path) {
      throw Failure(.cannotCreate, "\(path) exists already: choose another path, or give --force to replace it.")
    } catch let error as StoreError {
      throw Failure(error.exitStatusOfCreation, error.description)
    }
  }

  /// Says what was created.
  private func announce(_ statistics: StoreStatistics) throws {
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("regionBytes", .count(statistics.regionBytes)),
        ("capacityBytes", .count(statistics.capacityBytes)),
        ("segmentBytes", .integer(statistics.segmentBytes)),
        ("segments", .integer(statistics.segmentCount)),
        ("lanes", .integer(statistics.laneCount)),
        ("domain", .string(statistics.persistence.domain.rawValue)),
        ("level", .string(statistics.persistence.level.rawValue)),
        ("reason", .string(statistics.persistence.reason)),
      ])
    } text: {
      """
      created \(target.store.path): \(Figures.bytes(statistics.regionBytes)), \
      \(Figures.counted(statistics.segmentCount, "segment")) of \(Figures.bytes(statistics.segmentBytes)), \
      \(statistics.persistence.domain.rawValue) (\(statistics.persistence.level.rawValue))

      """
    }
  }
}
