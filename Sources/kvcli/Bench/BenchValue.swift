/// A value: random bytes that start with the record's number, by which a get knows what it read.
struct BenchValue: ~Copyable {
  /// The bytes of the record set last.
  private(set) var bytes: FixedBytes

  /// Values of `size` bytes.
  init(size: Int, seed: UInt64) {
    var random = RandomGenerator(seed: seed, stream: -1)
    bytes = FixedBytes((0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) })
  }

  /// Makes the value of record `number`; values of less than 8 bytes are all the same.
  @inline(__always)
  mutating func set(_ number: Int) {
    guard bytes.count >= 8 else { return }
    bytes.setWord(UInt64(UInt(bitPattern: number)), at: 0)
  }
}
