/// SplitMix64: a fast generator whose sequence is known by its seed.
struct RandomGenerator: RandomNumberGenerator {
  /// The state.
  private var state: UInt64

  /// A generator of the sequence `stream` of `seed`.
  init(seed: UInt64, stream: Int) {
    state = seed
    // Streams start far apart, not beside each other.
    state = next() &+ UInt64(truncatingIfNeeded: stream) &* 0xD1B5_4A32_D192_ED03
  }

  @inline(__always)
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// A number from 0 up to, and not including, `bound`.
  @inline(__always)
  mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(truncatingIfNeeded: bound)).high)
  }
}
