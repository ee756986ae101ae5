import ArgumentParser

/// One of the things that a benchmark measures.
enum Workload: String, CaseIterable, Sendable {
  /// Stores each record for the first time, in the order of their numbers.
  case put
  /// Copies the values of random present keys.
  case get
  /// Asks for random absent keys.
  case miss
  /// Stores random present keys anew.
  case overwrite
  /// Half `get`, half `overwrite`, at random.
  case mixed
  /// Removes each record, in an order without locality.
  case delete

  /// Reads a list such as `put,get`.
  static func list(_ text: String) throws -> [Workload] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
      guard let workload = Workload(rawValue: String(name)) else {
        throw ValidationError("“\(name)” is none of \(allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return workload
    }
  }

  /// Whether `--batch` applies.
  var isBatched: Bool {
    self == .put || self == .overwrite || self == .delete
  }
}

/// What a benchmark was asked to do.
struct BenchSettings: Sendable {
  /// The number of records, and of operations of each workload.
  let records: Int
  /// The bytes of a key.
  let keySize: Int
  /// The bytes of a value.
  let valueSize: Int
  /// The number of threads that share each workload.
  let threads: Int
  /// The number of operations of a write call.
  let batch: Int
  /// Decides the order of random accesses and the values.
  let seed: UInt64
  /// What to measure, in this order.
  let workloads: [Workload]

  /// The records that `thread` takes where each is taken once.
  func share(of thread: Int) -> Range<Int> {
    let (quotient, remainder) = records.quotientAndRemainder(dividingBy: threads)
    let lower = thread * quotient + min(thread, remainder)
    return lower..<lower + quotient + (thread < remainder ? 1 : 0)
  }

  /// One call in how many is timed by itself, a multiple of a group: seldom, as the processor ends all that it has begun
  /// before it reads the clock, which slows the others; an odd number of groups, so that it does not keep step with the
  /// store's own rhythms; more often in short runs.
  func samplingPeriod(for workload: Workload) -> Int {
    let isBatched = workload.isBatched && batch > 1
    let group = isBatched ? 1 : BenchWorker.group(valueSize: valueSize)
    let groups = records / threads / (isBatched ? batch : group)
    return group * max(1, min(7, groups / 1000))
  }

  /// A region's size that all workloads fit into, no space being won back, or `nil` where none is that large.
  var regionSize: Int? {
    /// The bytes of one record, its header and padding included.
    func recordSize(_ payload: Int) -> Double { (Double(payload + 64) / 64).rounded(.up) * 64 }
    let stored = recordSize(keySize + valueSize) + (valueSize >= 4096 ? 4096 : 0)
    let each = workloads.reduce(stored) { sum, workload in
      switch workload {
      case .put, .get, .miss: sum
      case .overwrite, .mixed: sum + stored
      // Tombstones, and the records stored again for a workload that follows.
      case .delete: sum + recordSize(keySize) + stored
      }
    }
    let size = each * Double(records) * 1.25 + Double(1 << 26)
    // A whole number of MiB.
    return size < 0x1p50 ? (Int(size) >> 20 + 1) << 20 : nil
  }
}
