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

/// Where the values of a group of gets are copied to, to be looked at when all have arrived.
struct BenchTargets: ~Copyable {
  private var bytes: FixedBytes
  /// The bytes of a value.
  private let size: Int

  /// Room for `places` values of `size` bytes.
  init(size: Int, places: Int) {
    self.size = size
    bytes = FixedBytes([UInt8](repeating: 0, count: size * places))
  }

  /// Takes the bytes of a value that was read; whether they are as many as they should be.
  @inline(__always)
  mutating func copy(_ value: RawSpan, to place: Int) -> Bool {
    guard value.byteCount == size else { return false }
    bytes.set(value, at: place &* size)
    return true
  }

  /// 0 where the bytes at `place` are those of record `number`. Values of less than 8 bytes are all the same.
  @inline(__always)
  func difference(at place: Int, from number: Int) -> UInt64 {
    size < 8 ? 0 : bytes.word(at: place &* size) ^ UInt64(UInt(bitPattern: number))
  }
}
