import BenchSupport
import Histogram

/// How long single calls took.
struct Latencies {
  /// The percentiles that are kept.
  static let percentiles: [Double] = [50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100]

  private var histogram = Histogram<UInt64>(
    highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
  private(set) var count = 0

  /// Times up to `count` operations one by one, and no more once the time is up.
  mutating func measure(_ count: Int, seconds: Double, _ operation: (Int) throws -> Void) throws {
    let end = now() + UInt64(seconds * 1e9)
    var last = now()
    while self.count < count && last < end {
      let begun = now()
      try operation(self.count)
      last = now()
      guard histogram.record(last - begun) else { throw RivalsError.store("a call took more than a minute") }
      self.count += 1
    }
  }

  /// Nanoseconds at each of `percentiles`.
  var values: [UInt64] { Self.percentiles.map { histogram.valueAtPercentile($0) } }
}
