import BenchSupport

/// What a timed loop came to.
struct Tally: Sendable {
  var operations = 0
  var nanoseconds = 0.0

  /// Nanoseconds an operation.
  var each: Double { nanoseconds / Double(operations) }

  mutating func add(_ other: Tally) {
    operations += other.operations
    nanoseconds += other.nanoseconds
  }
}

/// Does up to `count` operations, and no more once the time is up: the clock is read once in 256 operations.
@inline(__always)
func paced(_ count: Int, seconds: Double, _ operation: (Int) throws -> Void) rethrows -> Tally {
  let begun = now()
  let end = seconds == .infinity ? .max : begun + UInt64(seconds * 1e9)
  var done = 0
  var time = begun
  while done < count && time < end {
    let pause = min(done + 256, count)
    while done < pause {
      try operation(done)
      done += 1
    }
    time = now()
  }
  return Tally(operations: done, nanoseconds: Double(time - begun))
}
