/// The keys of a benchmark, made in place: a prefix of their own, then the record's number.
///
/// Every key is `kvbench:`, zeros, and the number in digits of base 64, the characters from `0` to `o`. So a benchmark
/// finds its keys again and touches no others.
struct KeySequence {
  /// What each key starts with.
  static let prefix = Array("kvbench:".utf8)

  /// The key of the record set last.
  private(set) var key: [UInt8]
  /// How many digits the numbers have.
  private let digits: Int

  /// The shortest key that can hold the numbers below `count`.
  static func leastSize(count: Int) -> Int {
    prefix.count + digits(count: count)
  }

  /// The number of digits of the numbers below `count`.
  private static func digits(count: Int) -> Int {
    max(1, (Int.bitWidth - max(0, count - 1).leadingZeroBitCount + 5) / 6)
  }

  /// A sequence of keys of `size` bytes for the numbers below `count`.
  init(size: Int, count: Int) {
    digits = Self.digits(count: count)
    precondition(size >= Self.leastSize(count: count), "the options are checked first")
    key = Self.prefix + [UInt8](repeating: UInt8(ascii: "0"), count: size - Self.prefix.count)
  }

  /// Makes the key of record `number`.
  @inline(__always)
  mutating func set(_ number: Int) {
    var rest = UInt64(UInt(bitPattern: number))
    guard digits <= 8, key.count >= Self.prefix.count + 8 else { return setEachDigit(rest) }
    // Eight digits as one word, in one store: the store that reads the key by words would have to wait for single bytes
    // to leave the processor's store queue, behind every cache miss before them.
    var word: UInt64 = 0
    for _ in 0..<8 {
      word = word << 8 | (UInt64(UInt8(ascii: "0")) + (rest & 63))
      rest >>= 6
    }
    unsafe key.withUnsafeMutableBytes { bytes in
      unsafe bytes.storeBytes(of: word.littleEndian, toByteOffset: bytes.count - 8, as: UInt64.self)
    }
  }

  /// The same digit by digit, for any size.
  private mutating func setEachDigit(_ number: UInt64) {
    let digits = digits
    var bytes = key.mutableSpan
    var rest = number
    var position = bytes.count
    for _ in 0..<digits {
      position -= 1
      bytes[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest & 63)
      rest >>= 6
    }
  }
}
