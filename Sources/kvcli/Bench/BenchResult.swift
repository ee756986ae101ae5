/// What one workload took.
struct BenchResult {
  /// The workload.
  let workload: Workload
  /// The number of keys written, read or removed.
  let operations: Int
  /// The number of threads that did it.
  let threads: Int
  /// From the first thread's start to the last one's end.
  let nanoseconds: UInt64
  /// The barriers that it took.
  let barriers: UInt64
  /// One call in how many is in `latency`.
  let samplingPeriod: Int
  /// The times of single calls.
  let latency: Histogram

  /// Operations a second, all threads together.
  var operationsPerSecond: Double {
    nanoseconds == 0 ? 0 : Double(operations) * 1e9 / Double(nanoseconds)
  }

  /// What one operation took its thread.
  var nanosecondsPerOperation: Double {
    operations == 0 ? 0 : Double(nanoseconds) * Double(threads) / Double(operations)
  }

  /// The barriers that one operation took.
  var barriersPerOperation: Double {
    operations == 0 ? 0 : Double(barriers) / Double(operations)
  }

  /// The result for programs.
  var json: JSON {
    .object([
      ("name", .string(workload.rawValue)),
      ("operations", .integer(operations)),
      ("seconds", .number(Double(nanoseconds) / 1e9)),
      ("operationsPerSecond", .number(operationsPerSecond)),
      ("nanosecondsPerOperation", .number(nanosecondsPerOperation)),
      ("barriers", .count(barriers)),
      ("barriersPerOperation", .number(barriersPerOperation)),
      (
        "latencyNanoseconds",
        .object([
          ("samples", .integer(latency.total)),
          ("period", .integer(samplingPeriod)),
          ("mean", .number(latency.mean)),
          ("p50", .count(latency.percentile(0.5))),
          ("p99", .count(latency.percentile(0.99))),
          ("p999", .count(latency.percentile(0.999))),
          ("maximum", .count(latency.maximum)),
        ])
      ),
    ])
  }

  /// The table for people.
  static func table(_ results: [BenchResult]) -> String {
    let header = ["", "operations/s", "ns/operation", "p50", "p99", "p99.9", "barriers/operation"]
    let rows = results.map { result in
      [
        result.workload.rawValue,
        Figures.grouped(Int(result.operationsPerSecond)),
        Figures.decimal(result.nanosecondsPerOperation, places: 1),
        Figures.duration(nanoseconds: Double(result.latency.percentile(0.5))),
        Figures.duration(nanoseconds: Double(result.latency.percentile(0.99))),
        Figures.duration(nanoseconds: Double(result.latency.percentile(0.999))),
        Figures.decimal(result.barriersPerOperation, places: 3),
      ]
    }
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    return ([header] + rows).map { row in
      row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + space : space + cell
      }.joined(separator: "  ") + "\n"
    }.joined()
  }
}
