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
    let digits = digits
    var bytes = key.mutableSpan
    var rest = UInt(bitPattern: number)
    var position = bytes.count
    for _ in 0..<digits {
      position -= 1
      bytes[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest & 63)
      rest >>= 6
    }
  }
}
