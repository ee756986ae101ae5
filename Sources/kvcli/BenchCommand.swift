import ArgumentParser
@_spi(Simulation) import BarKV

/// `kvcli bench`: measures a store.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure how fast a store is here.",
    discussion: """
      Measures, in the order given by --workloads: put (new keys), get (random present keys, the value copied and \
      checked), miss (random absent keys), overwrite (random present keys), mixed (half get, half overwrite), delete. \
      What a workload needs the store to hold is stored before its clock starts, and in memory every page of the region is \
      mapped before. Every write is durable when its call \
      returns; “barriers/operation” says what that took.

      STORE must exist, or --create makes it, for this benchmark only unless --keep is given. A store that was there \
      before keeps its entries: the benchmark's keys start with “kvbench:”, and it removes them at the end unless --keep \
      is given.

        kvcli bench /dev/shm/bench.kv --create
        PMEM_IS_PMEM_FORCE=1 kvcli bench /dev/shm/bench.kv --create --json
        kvcli bench /data/bench.kv --create --records 10000 --batch 100

      ns/operation is each thread's own time, from its first call to its last, making the keys included. Percentiles \
      are of single calls: one in 31 (more in short runs) is timed by itself, which adds about 1.5 ns to \
      ns/operation; with --batch, a call is a batch. On a file whose device takes a millisecond to make a write durable, \
      take fewer records.
      """
  )

  @OptionGroup var target: StoreArgument

  @Flag(help: "Create the store, and remove it at the end unless --keep is given.")
  var create = false

  @Option(
    help: "The size of the store to create, as for create; large enough for the workloads unless given.",
    transform: ByteSize.parse)
  var size: Int?

  @Flag(help: "Leave the store, or the benchmark's records in it, when done.")
  var keep = false

  @Option(help: "The number of records, and of operations of each workload.")
  var records = 1_000_000

  @Option(help: "The bytes of a key.")
  var keySize = 16

  @Option(help: "The bytes of a value.")
  var valueSize = 100

  @Option(help: "The number of threads that share each workload.")
  var threads = 1

  @Option(help: "Write batches of this many operations: put, overwrite and delete.")
  var batch = 1

  @Option(help: "Decides the order of random accesses.")
  var seed: UInt64 = 1

  @Option(
    help: "What to measure: a list of put, get, miss, overwrite, mixed, delete, with commas.",
    transform: Workload.list)
  var workloads = Workload.allCases

  @Option(
    help: ArgumentHelp(
      "Pretend that the store is on a device whose barrier takes that much longer; STORE is a file.",
      valueName: "nanoseconds"))
  var simulateBarrier: UInt64?

  @Option(
    help: ArgumentHelp(
      "Pretend that a line of 64 bytes of the region takes that much longer to read.", valueName: "nanoseconds"))
  var simulateRead: UInt64?

  @Option(
    help: "The most memory for the copy of a region that is slow to read: \(ByteSize.help).", transform: ByteSize.parse)
  var mirror = 256 << 20

  @OptionGroup var report: ReportOptions

  func validate() throws {
    guard create || size == nil else { throw ValidationError("--size goes with --create.") }
    guard (1...1 << 40).contains(records) else { throw ValidationError("--records takes a number from 1 on.") }
    let least = KeySequence.leastSize(count: records * 2)
    guard (least...65_535).contains(keySize) else {
      throw ValidationError("--key-size takes \(least) to 65535 for \(records) records.")
    }
    guard (0...1 << 30).contains(valueSize) else { throw ValidationError("--value-size takes 0 to 1073741824.") }
    let slowest: UInt64 = 1_000_000_000
    guard (simulateBarrier ?? 0) <= slowest, (simulateRead ?? 0) <= slowest else {
      throw ValidationError("--simulate-barrier and --simulate-read take 0 to \(slowest).")
    }
    guard (simulateBarrier ?? simulateRead) == nil || !target.store.isDevice else {
      throw ValidationError("A device is simulated on a file, not on another device.")
    }
    guard (1...256).contains(threads) else { throw ValidationError("--threads takes 1 to 256.") }
    guard (1...1_000_000).contains(batch) else { throw ValidationError("--batch takes 1 to 1000000.") }
    guard !create || size != nil || settings.regionSize != nil else {
      throw ValidationError("No region is large enough for that: take fewer records, or give --size.")
    }
  }

  func run() throws {
    let store = try openOrCreate()
    try StoreArgument.closing(store) { store in
      var progress = Progress()
      defer { progress.finish() }
      var run = BenchRun(store: store, isNew: create, settings: settings)
      var results: [BenchResult] = []
      for workload in workloads {
        results.append(try run.measure(workload, progress: &progress))
      }
      if !create, !keep { try run.removeRecords(progress: &progress) }
      progress.finish()
      try announce(results, store.persistence)
    }
  }

  /// The settings that the options say.
  private var settings: BenchSettings {
    BenchSettings(
      records: records, keySize: keySize, valueSize: valueSize, threads: threads, batch: batch, seed: seed,
      workloads: workloads)
  }

  /// A page's first touch is the machine's cost, some microseconds, and no write's: it is paid before the clock starts.
  private var options: StoreOptions {
    var options = target.options
    options.mapsWholeRegion = true
    options.mirrorBytes = mirror
    if simulateBarrier != nil || simulateRead != nil {
      options.simulatedDevice = SimulatedDevice(
        barrierNanoseconds: simulateBarrier ?? 0, readNanosecondsPerLine: simulateRead ?? 0)
    }
    return options
  }

  /// The store to measure.
  private func openOrCreate() throws -> Store {
    guard create else {
      do {
        return try Store.open(at: target.store, options: options)
      } catch {
        guard case .noSuchStore(let path) = error else { throw error }
        throw Failure(.noInput, "There is no store at \(path): create one first, or give --create.")
      }
    }
    do {
      let store = try Store.create(
        at: target.store, size: size ?? (target.store.isDevice ? nil : settings.regionSize ?? 0), options: options)
      // The open store lives on without its name, and goes when the process does, however that happens.
      if !keep, !target.store.isDevice { Platform.remove(target.store.path) }
      return store
    } catch {
      throw Failure(error.exitStatusOfCreation, error.description)
    }
  }

  /// Reports the results.
  private func announce(_ results: [BenchResult], _ persistence: Persistence) throws {
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("domain", .string(persistence.domain.rawValue)),
        ("level", .string(persistence.level.rawValue)),
        ("reason", .string(persistence.reason)),
        ("records", .integer(records)),
        ("keyBytes", .integer(keySize)),
        ("valueBytes", .integer(valueSize)),
        ("threads", .integer(threads)),
        ("batch", .integer(batch)),
        ("seed", .count(seed)),
        ("workloads", .array(results.map(\.json))),
      ])
    } text: {
      """
      \(Figures.counted(records, "record")), \(keySize)-byte keys, \(valueSize)-byte values, \
      \(Figures.counted(threads, "thread")), batches of \(batch), seed \(seed)
      \(persistence.domain.rawValue) (\(persistence.level.rawValue)): \(persistence.reason)

      \(BenchResult.table(results))
      """
    }
  }
}
