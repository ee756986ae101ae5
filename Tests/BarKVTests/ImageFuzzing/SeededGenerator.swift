#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A random number generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// A generator; print the seed with every failure.
  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// A number from 0 up to, and not including, `bound`.
  mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(truncatingIfNeeded: bound)).high)
  }

  /// True once in `count` calls.
  mutating func oneIn(_ count: Int) -> Bool {
    below(count) == 0
  }

  /// `count` random bytes.
  mutating func bytes(_ count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count + 7)
    while result.count < count {
      let word = next()
      unsafe withUnsafeBytes(of: word) { unsafe result.append(contentsOf: $0) }
    }
    result.removeLast(result.count - count)
    return result
  }
}

/// Where randomized tests get their seeds: new ones for each run, or the one that a failure named.
enum Seeds {
  /// The seed in the environment variable `BARKV_SEED`, if there is one.
  static let given: UInt64? = {
    guard let text = unsafe getenv("BARKV_SEED") else { return nil }
    return UInt64(unsafe String(cString: text))
  }()

  /// One in so many of a long test's rounds is run, at least one: 1, or what the environment variable `BARKV_TEST_SHARE` says,
  /// where each takes ten times as long as elsewhere.
  static let share: Int = {
    guard let text = unsafe getenv("BARKV_TEST_SHARE") else { return 1 }
    return max(1, Int(unsafe String(cString: text)) ?? 1)
  }()

  /// The seeds of `count` rounds of a test, or the given one alone.
  static func rounds(_ count: Int) -> [UInt64] {
    if let given { return [given] }
    let first = UInt64.random(in: 1...(1 << 48))
    return (0..<UInt64(max(1, count / share))).map { first &+ $0 }
  }

  /// Says which seed a test runs with, so that even a trap can be replayed.
  static func announce(_ seed: UInt64, _ test: String = #function) {
    // Past all buffers.
    let line = Array("\(test): BARKV_SEED=\(seed)\n".utf8)
    unsafe write(1, line, line.count)
  }
}
