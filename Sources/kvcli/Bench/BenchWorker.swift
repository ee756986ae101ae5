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

/// A value: random bytes that start with the record's number, by which a get knows what it read.
struct BenchValue {
  /// The bytes of the record set last.
  private(set) var bytes: [UInt8]

  /// Values of `size` bytes.
  init(size: Int, seed: UInt64) {
    var random = RandomGenerator(seed: seed, stream: -1)
    bytes = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  /// Makes the value of record `number`; values of less than 8 bytes are all the same.
  @inline(__always)
  mutating func set(_ number: Int) {
    guard bytes.count >= 8 else { return }
    unsafe bytes.withUnsafeMutableBytes { unsafe $0.storeBytes(of: number, as: Int.self) }
  }

  /// Takes the bytes of a value that was read.
  @inline(__always)
  mutating func copy(_ value: RawSpan) {
    guard value.byteCount == bytes.count else { return }
    unsafe bytes.withUnsafeMutableBytes { target in
      unsafe value.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
    }
  }

  /// Whether the bytes are those of record `number`.
  @inline(__always)
  func isValue(of number: Int) -> Bool {
    guard bytes.count >= 8 else { return true }
    return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Int.self) } == number
  }
}

/// One thread's part of a workload. Keys and values are made in place: the loops allocate nothing of their own.
struct BenchWorker {
  private let store: Store
  private let settings: BenchSettings
  private let workload: Workload
  private let thread: Int
  private let done: Counter
  private var keys: KeySequence
  private var value: BenchValue
  private var target: BenchValue
  private var random: RandomGenerator

  /// The part of `thread`.
  init(store: Store, settings: BenchSettings, workload: Workload, thread: Int, done: Counter) {
    self.store = store
    self.settings = settings
    self.workload = workload
    self.thread = thread
    self.done = done
    keys = KeySequence(size: settings.keySize, count: settings.records * 2)
    value = BenchValue(size: settings.valueSize, seed: settings.seed)
    target = value
    random = RandomGenerator(seed: settings.seed, stream: thread)
  }

  /// Does the part.
  mutating func run() throws -> BenchSample {
    let share = settings.share(of: thread)
    let records = settings.records
    var (keys, value, target, random) = (keys, value, target, random)
    if workload.isBatched, settings.batch > 1 { return try runBatches(share) }
    switch workload {
    case .put:
      return try measure(share.count) { index throws(StoreError) in
        keys.set(share.lowerBound + index)
        value.set(share.lowerBound + index)
        try unsafe store.put(value.bytes.span.bytes, for: keys.key.span.bytes)
      }
    case .overwrite:
      return try measure(share.count) { _ throws(StoreError) in
        let record = random.below(records)
        keys.set(record)
        value.set(record)
        try unsafe store.put(value.bytes.span.bytes, for: keys.key.span.bytes)
      }
    case .get:
      return try measure(share.count) { _ in
        let record = random.below(records)
        keys.set(record)
        try unsafe read(record, keys.key.span.bytes, &target)
      }
    case .mixed:
      return try measure(share.count) { _ in
        let record = random.below(records)
        keys.set(record)
        if random.next() & 1 == 0 {
          try unsafe read(record, keys.key.span.bytes, &target)
        } else {
          value.set(record)
          try unsafe store.put(value.bytes.span.bytes, for: keys.key.span.bytes)
        }
      }
    case .miss:
      return try measure(share.count) { _ in
        keys.set(records + random.below(records))
        guard try unsafe store.withValue(of: keys.key.span.bytes, { (_: RawSpan) -> Void in }) == nil else {
          throw Failure(.corrupt, "a get found a key that was never stored")
        }
      }
    case .delete:
      var walk = Walk(share, using: &random)
      return try measure(share.count) { _ in
        keys.set(walk.next())
        guard try unsafe store.delete(keys.key.span.bytes) else { throw Self.lost }
      }
    }
  }

  /// Gets a record, copies its value, and checks that it is the record's.
  @inline(__always)
  private func read(_ record: Int, _ key: RawSpan, _ target: inout BenchValue) throws {
    let length = try store.withValue(of: key) { (found: RawSpan) -> Int in
      target.copy(found)
      return found.byteCount
    }
    guard length == settings.valueSize, target.isValue(of: record) else { throw Self.lost }
  }

  /// What a benchmark says when the store does not hold what was put.
  private static var lost: Failure {
    Failure(.corrupt, "a record that was stored is absent or wrong: run verify")
  }

  /// Does the part of a batched workload.
  private mutating func runBatches(_ share: Range<Int>) throws -> BenchSample {
    var walk = Walk(share, using: &random)
    var batch = Batch()
    let size = settings.batch
    var sample = try measure((share.count + size - 1) / size) { index in
      batch.removeAll(keepingCapacity: true)
      for offset in index * size..<min((index + 1) * size, share.count) {
        let record =
          switch workload {
          case .put: share.lowerBound + offset
          case .delete: walk.next()
          default: random.below(settings.records)
          }
        keys.set(record)
        if workload == .delete {
          batch.delete(keys.key)
        } else {
          value.set(record)
          batch.put(value.bytes, for: keys.key)
        }
      }
      try store.write(batch)
    }
    sample.operations = share.count
    return sample
  }

  /// Makes `count` calls, most of them back to back, one in a period timed by itself.
  @inline(__always)
  private func measure<Problem: Error>(
    _ count: Int, _ call: (Int) throws(Problem) -> Void
  ) throws(Problem) -> BenchSample {
    var sample = BenchSample()
    let period = settings.samplingPeriod(for: workload)
    let perCall = workload.isBatched ? settings.batch : 1
    var reported = 0
    sample.start = Platform.nanoseconds()
    var index = 0
    while index < count {
      let before = Platform.nanoseconds()
      try call(index)
      sample.latency.add(Platform.nanoseconds() - before)
      let next = min(index + period, count)
      index += 1
      while index < next {
        try call(index)
        index += 1
      }
      if index - reported >= 1000 {
        done.add((index - reported) * perCall)
        reported = index
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
