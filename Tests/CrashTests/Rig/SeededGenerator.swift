#if canImport(Glibc)
  import Glibc
#endif

/// A random number generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// The seed that a run starts from: `BARKV_SEED`, or a new one. A failure prints the seed of its own case, which replays
/// it alone.
let baseSeed: UInt64 = {
  if let text = unsafe getenv("BARKV_SEED"), let seed = UInt64(unsafe String(cString: text)) { return seed }
  return UInt64.random(in: 1...(1 << 48))
}()
