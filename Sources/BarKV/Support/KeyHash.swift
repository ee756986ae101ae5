import CBarKV

/// The hash of keys: XXH3 with the store's random seed, so that nobody who chooses keys can make them collide.
enum KeyHash {
  /// 64 bits.
  @unsafe
  @inline(__always)
  static func of(_ key: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    unsafe barkv_hash(key.baseAddress, key.count, seed)
  }
}
