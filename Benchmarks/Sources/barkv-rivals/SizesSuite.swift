import BenchSupport

/// One store, one thread: puts, gets and overwrites of values of one size.
struct SizesSuite {
  /// The sizes that are measured.
  static let sizes = [16, 64, 256, 1024, 4096, 16_384, 65_536]
  /// The bytes of all values together, at most.
  static let dataBytes = 256 << 20

  /// The records of a size.
  static func records(_ valueBytes: Int, atMost records: Int) -> Int {
    min(records, max(1000, dataBytes / valueBytes))
  }

  /// Measures one size.
  static func run<Store: BenchStore>(_ type: Store.Type, _ setup: Setup, seconds: Double) throws -> [Sample] {
    let plan = Plan(records: setup.records, needsZipfian: false)
    let value = ValueBuffer(bytes: setup.valueBytes)
    let read = ValueBuffer(bytes: setup.valueBytes)
    let store = try Store(setup)
    var session = try store.begin()
    let all = 0..<setup.records
    value.version = 1
    let put = try session.puts(all, value, seconds: seconds)
    try session.setMode(.bulk)
    _ = try session.puts(put.operations..<setup.records, value, seconds: .infinity)
    try session.setMode(.durable)
    try store.settle()
    let get = try session.gets(plan.order[...], read, seconds: seconds)
    value.version = 2
    let overwrite = try session.overwrites(plan.order[...], value, seconds: seconds)
    let sample = plan.order.prefix(overwrite.operations).lazy.map { UInt64($0) }
    try session.verify(sample.prefix(200), version: 2, bytes: setup.valueBytes)
    try session.verify(sample.suffix(200), version: 2, bytes: setup.valueBytes)
    try session.end()
    try store.close()
    return [(Work.put, put), (.get, get), (.overwrite, overwrite)].map { work, tally in
      let kind = Sample.Kind(
        store: setup.store, part: .sizes, work: work, mode: .durable, valueBytes: setup.valueBytes, threads: 1)
      return Sample(kind: kind, records: setup.records, operations: tally.operations, value: tally.each)
    }
  }
}
