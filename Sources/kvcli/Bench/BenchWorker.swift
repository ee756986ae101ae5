import BarKV

/// What one thread measured.
struct BenchSample {
  /// The number of keys written, read or removed.
  var operations = 0
  /// When the thread's first call started.
  var start: UInt64 = 0
  /// When the thread's last call ended.
  var end: UInt64 = 0
  /// The times of single calls.
  var latency = Histogram()
}

/// One thread's part of a workload. Keys and values are made in place: the loops allocate nothing of their own.
///
/// Calls are made in groups: which records come next, and their keys, are worked out for a whole group before its first
/// call. That takes the same time off the clock, but it does not stand between two calls, where it would keep the
/// processor from overlapping their waits for memory.
struct BenchWorker: ~Copyable {
  /// The calls of a group of records with values of `valueSize` bytes: as many as stay in the processor's nearest cache.
  static func group(valueSize: Int) -> Int {
    max(1, min(32, (16 << 10) / max(valueSize, 1)))
  }

  private let store: Store
  private let settings: BenchSettings
  private let workload: Workload
  private let records: Int
  private let thread: Int
  private let done: Counter
  /// The group's records, and their keys.
  private var numbers: InlineArray<32, Int>
  private var keys: KeySequence
  private var value: BenchValue
  private let targets: BenchTargets
  private var random: RandomGenerator
  /// Not 0 once a value was read that is not its record's.
  private var wrong: UInt64 = 0

  /// The part of `thread`.
  init(store: Store, settings: BenchSettings, workload: Workload, thread: Int, done: Counter) {
    self.store = store
    self.settings = settings
    self.workload = workload
    records = settings.records
    self.thread = thread
    self.done = done
    numbers = InlineArray(repeating: 0)
    let group = Self.group(valueSize: settings.valueSize)
    keys = KeySequence(size: settings.keySize, count: settings.records * 2, places: group)
    value = BenchValue(size: settings.valueSize, seed: settings.seed)
    targets = BenchTargets(size: settings.valueSize, places: group)
    random = RandomGenerator(seed: settings.seed, stream: thread)
  }

  /// Does the part.
  mutating func run() throws -> BenchSample {
    let share = settings.share(of: thread)
    if workload.isBatched, settings.batch > 1 { return try runBatches(share) }
    let sample =
      switch workload {
      case .put: try runPuts(share)
      case .overwrite: try runOverwrites(share.count)
      case .get: try runGets(share.count)
      case .mixed: try runMixed(share.count)
      case .miss: try runMisses(share.count)
      case .delete: try runDeletes(share)
      }
    guard wrong == 0 else { throw Self.lost }
    return sample
  }

  // MARK: Workloads

  private mutating func runPuts(_ share: Range<Int>) throws(StoreError) -> BenchSample {
    var next = share.lowerBound
    return try measure(share.count) { _ in
      defer { next &+= 1 }
      return next
    } calls: { worker, places throws(StoreError) in
      try worker.put(places)
    }
  }

  private mutating func runOverwrites(_ count: Int) throws(StoreError) -> BenchSample {
    try measure(count) { worker in
      worker.random.below(worker.records)
    } calls: { worker, places throws(StoreError) in
      try worker.put(places)
    }
  }

  private mutating func runGets(_ count: Int) throws -> BenchSample {
    try measure(count) { worker in
      worker.random.below(worker.records)
    } calls: { worker, places in
      try worker.get(places)
    }
  }

  private mutating func runMixed(_ count: Int) throws -> BenchSample {
    try measure(count) { worker in
      worker.random.below(worker.records)
    } calls: { worker, places in
      for place in places {
        if worker.random.next() & 1 == 0 {
          try worker.get(place..<place + 1)
        } else {
          try worker.put(place..<place + 1)
        }
      }
    }
  }

  private mutating func runMisses(_ count: Int) throws -> BenchSample {
    try measure(count) { worker in
      worker.records &+ worker.random.below(worker.records)
    } calls: { worker, places in
      guard try worker.countPresent(places) == 0 else {
        throw Failure(.corrupt, "a get found a key that was never stored")
      }
    }
  }

  private mutating func runDeletes(_ share: Range<Int>) throws -> BenchSample {
    var walk = Walk(share, using: &random)
    return try measure(share.count) { _ in
      walk.next()
    } calls: { worker, places in
      guard try worker.delete(places) == places.count else { throw Self.lost }
    }
  }

  // MARK: The calls of a group: a function each, small enough for the compiler to keep all that it needs in registers

  /// Puts the records at some places of the group.
  @inline(never)
  private mutating func put(_ places: Range<Int>) throws(StoreError) {
    let store = store
    try keys.forEachKey(in: places) { (key, place) throws(StoreError) in
      value.set(numbers[place])
      try value.bytes.withBytes { (value) throws(StoreError) in try store.put(value, for: key) }
    }
  }

  /// Gets the records at some places of the group, copies each value, and notes whether it is the record's.
  @inline(never)
  private mutating func get(_ places: Range<Int>) throws {
    let store = store
    try keys.forEachKey(in: places) { key, place in
      guard try store.withValue(of: key, { (value: RawSpan) -> Bool in targets.copy(value, to: place) }) == true else {
        throw Self.lost
      }
    }
    for place in places { wrong |= targets.difference(at: place, from: numbers[place]) }
  }

  /// How many of the keys at some places of the group are present.
  @inline(never)
  private func countPresent(_ places: Range<Int>) throws(StoreError) -> Int {
    let store = store
    var count = 0
    try keys.forEachKey(in: places) { (key, _) throws(StoreError) in
      if try store.withValue(of: key, { (_: RawSpan) -> Bool in true }) != nil { count &+= 1 }
    }
    return count
  }

  /// Deletes the records at some places of the group; how many were present.
  @inline(never)
  private func delete(_ places: Range<Int>) throws(StoreError) -> Int {
    let store = store
    var count = 0
    try keys.forEachKey(in: places) { (key, _) throws(StoreError) in
      if try store.delete(key) { count &+= 1 }
    }
    return count
  }

  /// What a benchmark says when the store does not hold what was put.
  private static var lost: Failure {
    Failure(.corrupt, "a record that was stored is absent or wrong: run verify")
  }

  /// Does the part of a batched workload.
  private mutating func runBatches(_ share: Range<Int>) throws -> BenchSample {
    var walk = Walk(share, using: &random)
    var batch = Batch()
    var next = 0
    let size = settings.batch
    var sample = try measure((share.count + size - 1) / size, inGroups: false) { _ in
      0
    } calls: { worker, _ in
      batch.removeAll(keepingCapacity: true)
      let end = min(next + size, share.count)
      while next < end {
        let record =
          switch worker.workload {
          case .put: share.lowerBound + next
          case .delete: walk.next()
          default: worker.random.below(worker.records)
          }
        next += 1
        worker.keys.set(record, at: 0)
        worker.keys.withKey(at: 0) { key in
          if worker.workload == .delete {
            batch.delete(key)
          } else {
            worker.value.set(record)
            worker.value.bytes.withBytes { batch.put($0, for: key) }
          }
        }
      }
      try worker.store.write(batch)
    }
    sample.operations = share.count
    return sample
  }

  /// Makes `count` calls, most of them back to back, the first of one group in a period timed by itself.
  ///
  /// - Parameters:
  ///   - record: the next record.
  ///   - calls: makes the calls for the records at some places of the group.
  @inline(__always)
  private mutating func measure<Problem: Error>(
    _ count: Int, inGroups: Bool = true, record: (_ worker: inout BenchWorker) -> Int,
    calls: (_ worker: inout BenchWorker, _ places: Range<Int>) throws(Problem) -> Void
  ) throws(Problem) -> BenchSample {
    var sample = BenchSample()
    let group = inGroups ? Self.group(valueSize: settings.valueSize) : 1
    let period = settings.samplingPeriod(for: workload) / group
    let perCall = workload.isBatched ? settings.batch : 1
    var (made, reported, groups) = (0, 0, 0)
    sample.start = Platform.nanoseconds()
    while made < count {
      let size = min(group, count &- made)
      for place in 0..<size {
        let number = record(&self)
        numbers[place] = number
        keys.set(number, at: place)
      }
      var places = 0..<size
      if groups % period == 0 {
        let before = Platform.nanoseconds()
        try calls(&self, 0..<1)
        sample.latency.add(Platform.nanoseconds() - before)
        places = 1..<size
      }
      if !places.isEmpty { try calls(&self, places) }
      made &+= size
      groups &+= 1
      if made &- reported >= 1000 {
        done.add((made - reported) * perCall)
        reported = made
      }
    }
    sample.end = Platform.nanoseconds()
    sample.operations = count
    return sample
  }
}

/// Visits every number of a range once, in an order without locality.
struct Walk {
  private let range: Range<Int>
  private let stride: Int
  private var offset: Int

  /// A walk whose start and stride come from `random`.
  init(_ range: Range<Int>, using random: inout RandomGenerator) {
    self.range = range
    guard range.count > 1 else {
      (stride, offset) = (0, 0)
      return
    }
    // Any stride without a common factor comes around to its start only after it has been everywhere.
    var candidate = range.count / 3 + random.below(range.count / 3 + 1) + 1
    while Self.greatestCommonDivisor(candidate, range.count) > 1 { candidate += 1 }
    stride = candidate % range.count
    offset = random.below(range.count)
  }

  /// The next number.
  @inline(__always)
  mutating func next() -> Int {
    let result = range.lowerBound + offset
    offset += stride
    if offset >= range.count { offset -= range.count }
    return result
  }

  /// The greatest number that divides both.
  private static func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
    var (larger, smaller) = (first, second)
    while smaller != 0 { (larger, smaller) = (smaller, larger % smaller) }
    return larger
  }
}
