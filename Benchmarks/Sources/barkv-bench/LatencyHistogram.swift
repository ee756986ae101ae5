/// How long calls took: buckets whose width is a thirty-second of their value at most.
struct LatencyHistogram: Sendable {
  private static let perOctave = 32
  private var counts = [Int](repeating: 0, count: 64 * perOctave)
  private(set) var count = 0
  private(set) var longest: UInt64 = 0

  /// Adds a call of so many nanoseconds.
  mutating func add(_ nanoseconds: UInt64) {
    count += 1
    longest = max(longest, nanoseconds)
    counts[Self.bucket(nanoseconds)] += 1
  }

  /// Adds the calls of another.
  mutating func add(_ other: LatencyHistogram) {
    count += other.count
    longest = max(longest, other.longest)
    for bucket in counts.indices { counts[bucket] += other.counts[bucket] }
  }

  /// The nanoseconds that a share of all calls took at most.
  func quantile(_ share: Double) -> UInt64 {
    var left = Int((Double(count) * share).rounded(.up))
    for (bucket, found) in counts.enumerated() where found > 0 {
      left -= found
      if left <= 0 { return min(Self.end(of: bucket), longest) }
    }
    return longest
  }

  private static func bucket(_ value: UInt64) -> Int {
    guard value >= UInt64(perOctave) else { return Int(value) }
    let exponent = UInt64.bitWidth - 1 - value.leadingZeroBitCount - 5
    return (exponent + 1) * perOctave + Int(value >> UInt64(exponent)) - perOctave
  }

  private static func end(of bucket: Int) -> UInt64 {
    guard bucket >= perOctave else { return UInt64(bucket) }
    let exponent = bucket / perOctave - 1
    return (UInt64(bucket % perOctave + perOctave) + 1) << UInt64(exponent) - 1
  }
}
