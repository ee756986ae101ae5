import BarKV
import Synchronization

/// Runs a benchmark's workloads on a store, one after the other.
struct BenchRun {
  /// The store.
  private let store: Store
  /// What to do.
  private let settings: BenchSettings
  /// Which of the benchmark's records the store holds.
  private var contents: Contents
  /// What is known of the benchmark's records in the store.
  private enum Contents {
    case unknown, none, all
  }

  /// A run on `store`, which is new or was there before.
  init(store: Store, isNew: Bool, settings: BenchSettings) {
    self.store = store
    self.settings = settings
    contents = isNew ? .none : .unknown
  }

  /// Measures `workload`; what it needs the store to hold is stored, or removed, before the clock starts.
  mutating func measure(_ workload: Workload, progress: inout Progress) throws -> BenchResult {
    try prepare(for: workload, progress: &progress)
    let barriersBefore = store.statistics.barrierCount
    let samples = Mutex<[BenchSample]>([])
    let done = Counter()
    let (store, settings) = (store, settings)
    let started = Platform.nanoseconds()
    try Threads.run(settings.threads) {
      let seconds = Double(Platform.nanoseconds() - started) / 1e9
      progress.update(
        "\(workload.rawValue): \(Figures.grouped(done.value)) of \(Figures.grouped(settings.records)) in "
          + "\(Figures.decimal(seconds, places: 1)) s")
    } _: { thread in
      var worker = BenchWorker(store: store, settings: settings, workload: workload, thread: thread, done: done)
      let sample = try worker.run()
      samples.withLock { $0.append(sample) }
    }
    let all = samples.withLock { $0 }
    var latency = Histogram()
    for sample in all { latency.add(sample.latency) }
    contents = workload == .delete ? .none : .all
    return BenchResult(
      workload: workload,
      operations: all.reduce(0) { $0 + $1.operations },
      threads: settings.threads,
      nanoseconds: (all.map(\.end).max() ?? 0) - (all.map(\.start).min() ?? 0),
      barriers: store.statistics.barrierCount - barriersBefore,
      samplingPeriod: settings.samplingPeriod(for: workload),
      latency: latency)
  }

  /// Removes the benchmark's records from the store.
  mutating func removeRecords(progress: inout Progress) throws {
    guard contents != .none else { return }
    try forEachRecord("removing records", progress: &progress) { key, _, batch in
      if try store.contains(key) { batch.delete(key) }
    }
    contents = .none
  }

  /// Makes the store hold what `workload` starts from.
  private mutating func prepare(for workload: Workload, progress: inout Progress) throws {
    guard workload != .put else { return try removeRecords(progress: &progress) }
    guard contents != .all else { return }
    let size = settings.valueSize
    try forEachRecord("storing records", progress: &progress) { key, value, batch in
      let length = try store.withValue(of: key) { (found: RawSpan) -> Int in found.byteCount }
      if length != size { batch.put(value, for: key) }
    }
    contents = .all
  }

  /// Calls `body` for every record's key and value, and writes what it adds to the batch.
  private func forEachRecord(
    _ title: String, progress: inout Progress,
    _ body: (_ key: RawSpan, _ value: RawSpan, _ batch: inout Batch) throws -> Void
  ) throws {
    var keys = KeySequence(size: settings.keySize, count: settings.records * 2)
    var value = BenchValue(size: settings.valueSize, seed: settings.seed)
    var batch = Batch()
    // Large values make small batches.
    let most = max(1, min(256, (1 << 20) / (settings.valueSize + settings.keySize)))
    for record in 0..<settings.records {
      keys.set(record)
      value.set(record)
      try keys.withKey { key in try value.bytes.withBytes { value in try body(key, value, &batch) } }
      if batch.count == most {
        try write(&batch)
        progress.update("\(title): \(Figures.grouped(record)) of \(Figures.grouped(settings.records))")
      }
    }
    try write(&batch)
  }

  /// Writes and empties `batch`.
  private func write(_ batch: inout Batch) throws {
    guard batch.count > 0 else { return }
    try store.write(batch)
    batch.removeAll(keepingCapacity: true)
  }
}

/// The number of operations done so far, all threads together.
final class Counter: Sendable {
  /// The number.
  private let count = Atomic<Int>(0)

  /// The number.
  var value: Int { count.load(ordering: .relaxed) }

  /// Adds to the number.
  func add(_ more: Int) { count.add(more, ordering: .relaxed) }
}
