import BenchSupport
import CRawLoops

/// What no store can be faster than: loops in C with the same keys, values and orders.
struct LimitsSuite {
  /// The subjects, by the identifiers that stand where a store's do.
  static let raw = "raw", ceiling = "ceiling", memory = "memory"

  /// The largest value of the raw loop's records.
  static let largestRawValue = 4096

  private let setup: Setup
  private let part: Sample.Part
  private var samples: [Sample] = []

  private init(_ setup: Setup, _ part: Sample.Part) {
    self.setup = setup
    self.part = part
  }

  /// Measures all of them.
  static func run(_ setup: Setup) throws -> [Sample] {
    var suite = LimitsSuite(setup, .speed)
    try suite.measureRaw()
    try suite.measureCeiling()
    try suite.measureMemory()
    return suite.samples
  }

  /// Measures the raw loop with the records of one size of values.
  static func runRaw(_ setup: Setup) throws -> [Sample] {
    var suite = LimitsSuite(setup, .sizes)
    try suite.measureRaw()
    return suite.samples
  }

  private mutating func measureRaw() throws {
    let recordBytes = crl_record_bytes(setup.valueBytes)
    var region = unsafe crl_region()
    try check(unsafe crl_region_open(&region, setup.directory, recordBytes * setup.records, true))
    defer { unsafe crl_region_close(&region) }
    let begun = now()
    unsafe crl_raw_put(region.base, recordBytes, setup.records, 1)
    add(Self.raw, .put, Double(now() - begun) / Double(setup.records), setup.records)
  }

  private mutating func measureCeiling() throws {
    let count = setup.records
    let plan = Plan(records: count, needsZipfian: true)
    let state = UnsafeMutablePointer<crl_ceiling>.allocate(capacity: 1)
    unsafe state.initialize(to: crl_ceiling())
    defer { unsafe state.deallocate() }
    let bytes = count * (2 * crl_record_bytes(setup.valueBytes) + crl_tombstone_bytes())
    try check(unsafe crl_ceiling_open(state, setup.directory, bytes, count, setup.valueBytes))
    defer { unsafe crl_ceiling_close(state) }
    let value = ValueBuffer(bytes: setup.valueBytes)
    guard let buffer = unsafe value.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    var found = 0
    var begun = now()
    func time(_ operations: Int) -> Double {
      defer { begun = now() }
      return Double(now() - begun) / Double(operations)
    }
    unsafe crl_ceiling_put(state, 0, count, buffer, 1)
    add(Self.ceiling, .put, time(count), count)
    try unsafe plan.order.withUnsafeBufferPointer { order in
      let sum = unsafe crl_ceiling_get(state, order.baseAddress, count, 0, buffer, &found)
      add(Self.ceiling, .get, time(count), count)
      try expect(found == count && sum == UInt64(count) * UInt64(count - 1) / 2, .get)
      begun = now()
      _ = unsafe crl_ceiling_get(state, order.baseAddress, count, 3_000_000_000, buffer, &found)
      add(Self.ceiling, .miss, time(count), count)
      try expect(found == 0, .miss)
    }
    try unsafe plan.zipfian.withUnsafeBufferPointer { zipfian in
      begun = now()
      _ = unsafe crl_ceiling_get(state, zipfian.baseAddress, zipfian.count, 0, buffer, &found)
      add(Self.ceiling, .getZipfian, time(zipfian.count), zipfian.count)
      try expect(found == zipfian.count, .getZipfian)
    }
    try unsafe plan.order.withUnsafeBufferPointer { order in
      begun = now()
      found = unsafe crl_ceiling_overwrite(state, order.baseAddress, count, buffer)
      add(Self.ceiling, .overwrite, time(count), count)
      try expect(found == count, .overwrite)
      begun = now()
      found = unsafe crl_ceiling_delete(state, order.baseAddress, count)
      add(Self.ceiling, .delete, time(count), count)
      try expect(found == count, .delete)
    }
  }

  /// Reads and copies of a region as large as the records.
  private mutating func measureMemory() throws {
    let recordBytes = crl_record_bytes(setup.valueBytes)
    let bytes = recordBytes * setup.records
    var region = unsafe crl_region()
    var source = unsafe crl_region()
    try check(unsafe crl_region_open(&region, setup.directory, bytes, true))
    defer { unsafe crl_region_close(&region) }
    try check(unsafe crl_region_open(&source, setup.directory, bytes, true))
    defer { unsafe crl_region_close(&source) }
    let lines = bytes / Int(crl_line_bytes)
    unsafe crl_link_lines(region.base, lines, 1)
    let reads = min(lines, Plan.maximumOperations)
    var begun = now()
    let last = unsafe crl_read_dependent(region.base, reads)
    add(Self.memory, .dependentRead, Double(now() - begun) / Double(reads), reads)
    begun = now()
    let sum = unsafe crl_read_pipelined(region.base, lines, reads, 7)
    add(Self.memory, .pipelinedRead, Double(now() - begun) / Double(reads), reads)
    try expect(last < UInt64(lines) && sum > 0, .pipelinedRead)
    unsafe crl_copy(source.base, region.base, bytes)
    begun = now()
    unsafe crl_copy(source.base, region.base, bytes)
    add(Self.memory, .copy, Double(now() - begun) / Double(setup.records), setup.records)
  }

  private mutating func add(_ subject: String, _ work: Work, _ value: Double, _ operations: Int) {
    let kind = Sample.Kind(
      store: subject, part: part, work: work, mode: .durable, valueBytes: setup.valueBytes, threads: 1)
    samples.append(Sample(kind: kind, records: setup.records, operations: operations, value: value))
  }

  private func expect(_ isRight: Bool, _ work: Work) throws {
    guard isRight else { throw RivalsError.wrongAnswer("the loops in C, \(work.title)") }
  }

  private func check(_ code: Int32) throws {
    guard code == 0 else { throw RivalsError.system(call: "mapping a region", errno: code) }
  }
}
