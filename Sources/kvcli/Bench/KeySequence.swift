/// The keys of a benchmark, made in place: a prefix of their own, then the record's number.
///
/// Every key is `kvbench:`, zeros, and the number in digits of base 64, the characters from `0` to `o`. So a benchmark
/// finds its keys again and touches no others.
struct KeySequence: ~Copyable {
  /// What each key starts with.
  static let prefix = Array("kvbench:".utf8)

  /// The keys set last, one behind the other.
  private var bytes: FixedBytes
  /// The bytes of a key.
  private let size: Int
  /// How many digits the numbers have.
  private let digits: Int
  /// Where in a key its last eight digits are; negative where they are set one by one.
  private let lastEight: Int

  /// The shortest key that can hold the numbers below `count`.
  static func leastSize(count: Int) -> Int {
    prefix.count + digits(count: count)
  }

  /// The number of digits of the numbers below `count`.
  private static func digits(count: Int) -> Int {
    max(1, (Int.bitWidth - max(0, count - 1).leadingZeroBitCount + 5) / 6)
  }

  /// A sequence of keys of `size` bytes for the numbers below `count`, `places` of them at a time.
  init(size: Int, count: Int, places: Int = 1) {
    self.size = size
    digits = Self.digits(count: count)
    lastEight = digits <= 8 && size >= Self.prefix.count + 8 ? size - 8 : -1
    precondition(size >= Self.leastSize(count: count), "the options are checked first")
    let key = Self.prefix + [UInt8](repeating: UInt8(ascii: "0"), count: size - Self.prefix.count)
    bytes = FixedBytes(Array((0..<places).map { _ in key }.joined()))
  }

  /// Calls `body` with the key at `place`.
  @inline(__always)
  func withKey<R, Problem: Error>(
    at place: Int = 0, _ body: (RawSpan) throws(Problem) -> R
  ) throws(Problem) -> R {
    try bytes.withBytes(place &* size, count: size, body)
  }

  /// Calls `body` with the key at each of `places`.
  @inline(__always)
  func forEachKey<Problem: Error>(
    in places: Range<Int>, _ body: (_ key: RawSpan, _ place: Int) throws(Problem) -> Void
  ) throws(Problem) {
    try bytes.forEachPiece(of: size, in: places, body)
  }

  /// Makes the key of record `number` at `place`.
  @inline(__always)
  mutating func set(_ number: Int, at place: Int = 0) {
    let number = UInt64(UInt(bitPattern: number))
    guard lastEight >= 0 else { return setEachDigit(number, at: place) }
    // Eight digits as one word, in one store: the store that reads the key by words would have to wait for single bytes
    // to leave the processor's store queue, behind every cache miss before them.
    bytes.setWord(Self.eightDigits(number), at: place &* size &+ lastEight)
  }

  /// The lowest eight digits of `number`, the highest of them in the lowest byte.
  ///
  /// Each step parts every group of bits in two: 48 bits to two groups of 24, four of 12, eight of 6.
  @inline(__always)
  static func eightDigits(_ number: UInt64) -> UInt64 {
    var groups = (number & 0xFF_FFFF) << 32 | (number >> 24) & 0xFF_FFFF
    groups = (groups & 0x0000_0FFF_0000_0FFF) << 16 | (groups >> 12) & 0x0000_0FFF_0000_0FFF
    groups = (groups & 0x003F_003F_003F_003F) << 8 | (groups >> 6) & 0x003F_003F_003F_003F
    return groups &+ 0x3030_3030_3030_3030
  }

  /// The same digit by digit, for any size.
  @inline(never)
  private mutating func setEachDigit(_ number: UInt64, at place: Int) {
    var rest = number
    let end = (place + 1) * size
    for position in (end - digits..<end).reversed() {
      bytes.setByte(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest & 63), at: position)
      rest >>= 6
    }
  }
}
