/// One figure of one round.
struct Sample: Codable, Sendable {
  /// What a figure belongs to: the same work on other records is another figure.
  enum Part: String, Codable, Sendable {
    case speed, sizes, threads
  }

  /// What is comparable: the same for each round.
  struct Kind: Codable, Hashable, Sendable {
    /// The store's identifier.
    var store: String
    var part: Part
    var work: Work
    var mode: Mode
    var valueBytes: Int
    var threads: Int
  }

  var kind: Kind
  /// How many records there were when it began.
  var records: Int
  /// How many operations were timed: fewer than planned where the time was up.
  var operations: Int
  /// Nanoseconds an operation, of all threads together; or what the work says.
  var value: Double
  /// The nanoseconds at `Latencies.percentiles`, where single calls were timed.
  var percentiles: [UInt64]?
}
