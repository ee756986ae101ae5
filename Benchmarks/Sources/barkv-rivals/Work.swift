/// What is measured, in the order of the tables.
enum Work: String, Codable, CaseIterable, Sendable {
  case put, get, getZipfian, miss, overwrite, delete
  case ycsbA, ycsbB, ycsbC, ycsbD, ycsbE, ycsbF
  /// How long each call took, as percentiles.
  case getLatency, putLatency, overwriteLatency
  /// Milliseconds until the first get has answered.
  case reopenClosed, reopenKilled
  /// Bytes a key.
  case dram, medium
  /// What the memory gives: nanoseconds a read, nanoseconds to copy a record's bytes.
  case dependentRead, pipelinedRead, copy

  /// The works that are speeds of a store.
  static let speeds: [Work] = [
    .put, .get, .getZipfian, .miss, .overwrite, .delete, .ycsbA, .ycsbB, .ycsbC, .ycsbD, .ycsbE, .ycsbF,
  ]

  /// Whether it writes nothing, so that it knows no mode.
  var onlyReads: Bool { [.get, .getZipfian, .miss, .ycsbC].contains(self) }

  /// The heading in tables and plots.
  var title: String {
    switch self {
    case .put: "put"
    case .get: "get"
    case .getZipfian: "get, zipfian"
    case .miss: "get, absent"
    case .overwrite: "overwrite"
    case .delete: "delete"
    case .ycsbA: "YCSB A"
    case .ycsbB: "YCSB B"
    case .ycsbC: "YCSB C"
    case .ycsbD: "YCSB D"
    case .ycsbE: "YCSB E"
    case .ycsbF: "YCSB F"
    case .getLatency: "get"
    case .putLatency: "durable put"
    case .overwriteLatency: "durable overwrite"
    case .reopenClosed: "reopen after close, ms"
    case .reopenKilled: "reopen after SIGKILL, ms"
    case .dram: "DRAM, bytes a key"
    case .medium: "medium, bytes a key"
    case .dependentRead: "dependent random read"
    case .pipelinedRead: "pipelined random read"
    case .copy: "memcpy"
    }
  }
}
