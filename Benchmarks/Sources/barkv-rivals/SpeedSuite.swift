import BenchSupport
import CRawLoops

/// One store, one thread, all works; both modes in one process, on the same records.
struct SpeedSuite<Store: BenchStore> {
  private let setup: Setup
  private let seconds: Double
  private let plan: Plan
  private let store: Store
  private var session: Store.Session
  private let written: ValueBuffer
  private let read: ValueBuffer
  private let anonymousBefore: Int
  /// How many entries there are; the numbers below are theirs.
  private var count = 0
  /// What tells the writes of one work from another's.
  private var version: UInt64 = 0
  private(set) var samples: [Sample] = []

  /// The share of the records that is deleted, by each mode: 1 / `deleted`.
  private static var deleted: Int { 10 }
  /// The parts in which records are loaded, each in all modes, so that each mode meets the store at every size.
  private static var slices: Int { 10 }

  init(_ setup: Setup, seconds: Double) throws {
    self.setup = setup
    self.seconds = seconds
    plan = Plan(records: setup.records, needsZipfian: true)
    written = ValueBuffer(bytes: setup.valueBytes)
    read = ValueBuffer(bytes: setup.valueBytes)
    anonymousBefore = try residentAnonymousBytes()
    store = try Store(setup)
    session = try store.begin()
  }

  /// Does everything once.
  mutating func run() throws {
    try load()
    try reads()
    try space()
    for (mode, first) in [(Mode.durable, 0), (.fastest, setup.records / Self.deleted)] {
      try overwrites(mode)
      try deletes(mode, first: first)
    }
    try mixes()
    try growing()
    try latencies()
    try session.setMode(.durable)
    let sample = stride(from: 0, to: UInt64(count), by: max(1, count / 1000))
    try session.verify(sample, version: nil, bytes: setup.valueBytes)
    try session.end()
    try store.close()
  }

  // MARK: Parts

  /// Loads all records: of each tenth of them 60 % durably, 30 % in the fastest mode, as far as the time goes, and the rest
  /// as fast as can be.
  private mutating func load() throws {
    var tallies: [Mode: Tally] = [:]
    for slice in 0..<Self.slices {
      let end = setup.records * (slice + 1) / Self.slices
      let length = end - count
      for (mode, share) in [(Mode.durable, 0.6), (.fastest, 0.3)] {
        try session.setMode(mode)
        let range = count..<min(end, count + Int(Double(length) * share))
        var tally = try session.puts(range, written, seconds: seconds / Double(Self.slices))
        try endWriting(mode, &tally)
        tallies[mode, default: Tally()].add(tally)
        count += tally.operations
      }
      try session.setMode(.bulk)
      count += try session.puts(count..<end, written, seconds: .infinity).operations
    }
    try session.setMode(.durable)
    try store.settle()
    guard count == setup.records else { throw RivalsError.wrongAnswer("\(count) records of \(setup.records) were put") }
    let sample = plan.order.prefix(1000).lazy.map { UInt64($0) }
    try session.verify(sample, version: written.version, bytes: setup.valueBytes)
    for mode in [Mode.durable, .fastest] { add(.put, mode, tallies[mode] ?? Tally()) }
  }

  private mutating func space() throws {
    let anonymous = try residentAnonymousBytes() - anonymousBefore
    add(.dram, value: Double(anonymous) / Double(count))
    add(.medium, value: Double(try store.mediumBytes()) / Double(count))
  }

  private mutating func reads() throws {
    let order = plan.order.prefix(Plan.maximumOperations)
    add(.get, .durable, try session.gets(order, read, seconds: seconds))
    add(.getZipfian, .durable, try session.gets(plan.zipfian[...], read, seconds: seconds))
    // Far above what the works that grow the store will put.
    add(.miss, .durable, try session.misses(order, offset: 3_000_000_000, read, seconds: seconds))
  }

  private mutating func overwrites(_ mode: Mode) throws {
    try beginWriting(mode)
    let order = plan.order.prefix(Plan.maximumOperations)
    var tally = try session.overwrites(order, written, seconds: seconds)
    try endWriting(mode, &tally)
    let sample = order.prefix(tally.operations).lazy.map { UInt64($0) }
    try session.verify(sample.prefix(500), version: version, bytes: setup.valueBytes)
    try session.verify(sample.suffix(500), version: version, bytes: setup.valueBytes)
    add(.overwrite, mode, tally)
  }

  /// Deletes a tenth of the records, and puts all of it again.
  private mutating func deletes(_ mode: Mode, first: Int) throws {
    let length = setup.records / Self.deleted
    try beginWriting(mode)
    let order = plan.order[first..<first + length]
    var tally = try session.deletes(order, seconds: seconds)
    try endWriting(mode, &tally)
    let gone = order.prefix(tally.operations)
    try session.verifyAbsent(gone.lazy.map { UInt64($0) }.prefix(500), bytes: setup.valueBytes)
    try session.verifyAbsent(gone.lazy.map { UInt64($0) }.suffix(500), bytes: setup.valueBytes)
    let left = plan.order[(first + length)...].lazy.map { UInt64($0) }
    try session.verify(left.prefix(500), version: nil, bytes: setup.valueBytes)
    try session.setMode(.bulk)
    _ = try session.overwrites(gone, written, seconds: .infinity)
    try session.setMode(.durable)
    add(.delete, mode, tally)
  }

  private mutating func mixes() throws {
    let mixes: [(Work, UInt64, Bool)] = [
      (.ycsbA, Shares.half, false), (.ycsbB, Shares.mostly, false), (.ycsbC, Shares.always, false),
      (.ycsbF, Shares.half, true),
    ]
    for (work, reads, readsFirst) in mixes {
      for mode in work.onlyReads ? [.durable] : mixedModes {
        try beginWriting(mode)
        var tally = try session.mixed(
          plan.zipfian[...], reads: reads, readsFirst: readsFirst, read: read, written: written, seconds: seconds)
        try endWriting(mode, &tally)
        add(work, mode, tally)
      }
    }
  }

  private mutating func growing() throws {
    for work in [Work.ycsbD, .ycsbE] where work == .ycsbD || store.isOrdered {
      for mode in mixedModes {
        try beginWriting(mode)
        let before = count
        var tally: Tally
        if work == .ycsbD {
          (tally, count) = try session.latest(plan.ranks, count: count, read: read, written: written, seconds: seconds)
        } else {
          (tally, count) = try session.scans(plan.zipfian, count: count, read: read, written: written, seconds: seconds)
        }
        try endWriting(mode, &tally)
        try session.verify((UInt64(before)..<UInt64(count)).prefix(500), version: version, bytes: setup.valueBytes)
        add(work, mode, tally)
      }
    }
  }

  private mutating func latencies() throws {
    try beginWriting(.durable)
    for work in [Work.getLatency, .overwriteLatency, .putLatency] {
      var latencies = Latencies()
      let order = plan.order
      let first = count
      let session = session
      let (read, written) = (read, written)
      try latencies.measure(min(order.count, 500_000), seconds: seconds) { index in
        if work == .getLatency {
          guard try unsafe session.get(UInt64(order[index]), read.bytes) == read.bytes.count else {
            throw RivalsError.wrongAnswer("entry \(order[index]) is not there")
          }
        } else {
          let number = work == .putLatency ? UInt64(first + index) : UInt64(order[index])
          written.number = number
          try unsafe session.put(number, written.source)
        }
      }
      if work == .putLatency { count += latencies.count }
      add(work, latencies)
    }
  }

  // MARK: Helpers

  private var mixedModes: [Mode] { store.showsFastestWrites ? [.durable, .fastest] : [.durable] }

  private mutating func beginWriting(_ mode: Mode) throws {
    version += 1
    written.version = version
    try session.setMode(mode)
  }

  /// Ends a work. What the fastest mode has left to synchronise is outside its time, but where writes wait in memory, and
  /// are not yet in the store, they belong to it.
  private mutating func endWriting(_ mode: Mode, _ tally: inout Tally) throws {
    let begun = now()
    try session.setMode(.durable)
    if mode == .fastest && !store.showsFastestWrites { tally.nanoseconds += Double(now() - begun) }
  }

  private mutating func add(_ work: Work, _ mode: Mode, _ tally: Tally) {
    add(work, mode, value: tally.each, operations: tally.operations)
  }

  private mutating func add(_ work: Work, _ latencies: Latencies) {
    let values = latencies.values
    add(work, .durable, value: Double(values[0]), operations: latencies.count)
    samples[samples.count - 1].percentiles = values
  }

  private mutating func add(_ work: Work, _ mode: Mode = .durable, value: Double, operations: Int = 1) {
    let kind = Sample.Kind(
      store: setup.store, part: .speed, work: work, mode: mode, valueBytes: setup.valueBytes, threads: 1)
    samples.append(Sample(kind: kind, records: count, operations: operations, value: value))
  }
}
