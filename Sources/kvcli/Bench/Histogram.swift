/// A histogram of times in nanoseconds: 32 steps for each power of two, so a figure is right to 3 %.
struct Histogram {
  /// The steps of one power of two, as a power of two.
  private static let precision = 5
  /// How many times fell into each step.
  private var counts = [UInt32](repeating: 0, count: (64 - precision + 1) << precision)
  /// How many times there are.
  private(set) var total = 0
  /// Their sum.
  private(set) var sum: UInt64 = 0
  /// The longest one.
  private(set) var maximum: UInt64 = 0

  /// Adds a time.
  @inline(__always)
  mutating func add(_ time: UInt64) {
    counts[Self.step(of: time)] &+= 1
    total += 1
    sum &+= time
    maximum = max(maximum, time)
  }

  /// Adds all times of `other`.
  mutating func add(_ other: Histogram) {
    for index in counts.indices { counts[index] &+= other.counts[index] }
    total += other.total
    sum &+= other.sum
    maximum = max(maximum, other.maximum)
  }

  /// The mean time, 0 where there are none.
  var mean: Double {
    total == 0 ? 0 : Double(sum) / Double(total)
  }

  /// The time that the share `quantile` of all times do not exceed, 0 where there are none.
  func percentile(_ quantile: Double) -> UInt64 {
    let rank = Int((Double(total) * quantile).rounded(.up))
    var seen = 0
    for (step, count) in counts.enumerated() where count > 0 {
      seen += Int(count)
      if seen >= rank { return min(Self.upperBound(of: step), maximum) }
    }
    return maximum
  }

  /// The step that `time` falls into.
  @inline(__always)
  private static func step(of time: UInt64) -> Int {
    guard time >= 1 << precision else { return Int(time) }
    let power = 63 - time.leadingZeroBitCount
    // The bits below the highest one that the step keeps.
    let mantissa = Int(truncatingIfNeeded: time >> UInt64(power - precision)) - 1 << precision
    return (power - precision + 1) << precision + mantissa
  }

  /// The longest time of a step.
  private static func upperBound(of step: Int) -> UInt64 {
    guard step >= 1 << precision else { return UInt64(step) }
    let power = step >> precision - 1
    let mantissa = UInt64(step & (1 << precision - 1)) + 1 << precision
    // Safe: the last step ends where the numbers do; there the sum wraps to 0 and its predecessor is the right one.
    return (mantissa + 1) << UInt64(power) &- 1
  }
}
