import BenchSupport

/// One store, several threads: what they do together, each on entries of its own.
struct ThreadsSuite {
  /// The works that are measured.
  static let works: [Work] = [.put, .get, .overwrite, .ycsbA, .ycsbB]

  /// The numbers of threads that are measured: the powers of two below all, and all.
  static func counts(_ all: Int) -> [Int] {
    var counts: [Int] = []
    var next = 1
    while next < all {
      counts.append(next)
      next *= 2
    }
    return counts + [max(all, 1)]
  }

  /// Measures one number of threads.
  static func run<Store: BenchStore>(_ type: Store.Type, _ setup: Setup, seconds: Double) throws -> [Sample] {
    let plan = Plan(records: setup.records, needsZipfian: true)
    let store = try Store(setup)
    // Half of the records are there, and the other half is what is put.
    let half = setup.records / 2
    try load(store, 0..<half, setup)
    try store.settle()
    let samples = try works.map { work in
      let tallies = try Team.run(count: setup.threads) { number, team in
        let session = try store.begin()
        let tally = try share(session, work, plan, setup, number: number, team: team, seconds: seconds)
        try session.end()
        return tally
      }
      if work == .put {
        // What the time did not reach is there for the works that follow.
        for (number, tally) in tallies.enumerated() {
          let range = part(setup.records - half, number, setup)
          try load(store, half + range.lowerBound + tally.operations..<half + range.upperBound, setup)
        }
      }
      let operations = tallies.reduce(0) { $0 + $1.operations }
      // The time is that of the thread that took longest.
      let nanoseconds = tallies.map(\.nanoseconds).max() ?? 0
      let kind = Sample.Kind(
        store: setup.store, part: .threads, work: work, mode: .durable, valueBytes: setup.valueBytes,
        threads: setup.threads)
      return Sample(
        kind: kind, records: setup.records, operations: operations, value: nanoseconds / Double(operations))
    }
    let session = try store.begin()
    let sample = stride(from: UInt64(0), to: UInt64(setup.records), by: max(1, setup.records / 1000))
    try session.verify(sample, version: nil, bytes: setup.valueBytes)
    try session.end()
    try store.close()
    return samples
  }

  /// What one thread does.
  private static func share(
    _ session: some BenchSession, _ work: Work, _ plan: Plan, _ setup: Setup, number: Int, team: Team, seconds: Double
  ) throws -> Tally {
    let read = ValueBuffer(bytes: setup.valueBytes)
    let written = ValueBuffer(bytes: setup.valueBytes)
    written.version = 1
    team.begin()
    switch work {
    case .put:
      let half = setup.records / 2
      let range = part(setup.records - half, number, setup)
      return try session.puts(half + range.lowerBound..<half + range.upperBound, written, seconds: seconds)
    case .get:
      return try session.gets(plan.order[part(setup.records, number, setup)], read, seconds: seconds)
    case .overwrite:
      return try session.overwrites(plan.order[part(setup.records, number, setup)], written, seconds: seconds)
    default:
      return try session.mixed(
        plan.zipfian[part(plan.zipfian.count, number, setup)],
        reads: work == .ycsbA ? Shares.half : Shares.mostly, readsFirst: false, read: read, written: written,
        seconds: seconds)
    }
  }

  /// The part of a thread.
  private static func part(_ count: Int, _ number: Int, _ setup: Setup) -> Range<Int> {
    (count * number / setup.threads)..<(count * (number + 1) / setup.threads)
  }

  /// Puts records that are not measured.
  private static func load(_ store: some BenchStore, _ numbers: Range<Int>, _ setup: Setup) throws {
    var session = try store.begin()
    try session.setMode(.bulk)
    _ = try session.puts(numbers, ValueBuffer(bytes: setup.valueBytes), seconds: .infinity)
    try session.setMode(.durable)
    try session.end()
  }
}
