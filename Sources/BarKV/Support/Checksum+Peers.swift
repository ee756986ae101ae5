/// Moving a checksum from one start to another without looking at the bytes again.
extension Checksum {
  /// What continuing from `seed` gives for the bytes whose CRC32C, as everybody else writes it, is `value`: started from all
  /// ones and inverted at the end.
  ///
  /// - Complexity: the logarithm of `count`.
  static func reseeded(_ value: UInt32, count: Int, seed: UInt32) -> UInt32 {
    // Continuing from the exclusive or of two starts gives the exclusive or of what each gives, of zeros for the second.
    ~value ^ ofZeros(count, seed: ~seed)
  }

  /// What continuing from `seed` gives for so many bytes of zeros: a multiplication by that power of x.
  static func ofZeros(_ count: Int, seed: UInt32) -> UInt32 {
    var result = seed
    // x to the 8th, which is what one byte comes to; squared again and again.
    var power: UInt32 = 0x0080_0000
    var rest = count
    while rest > 0 {
      if rest & 1 == 1 { result = multiply(result, power) }
      power = multiply(power, power)
      rest >>= 1
    }
    return result
  }

  /// The product of two polynomials modulo Castagnoli's, reflected: the highest bit is the constant term.
  private static func multiply(_ a: UInt32, _ b: UInt32) -> UInt32 {
    var (product, b) = (UInt32(0), b)
    for bit in (0..<32).reversed() {
      if a >> UInt32(bit) & 1 == 1 { product ^= b }
      b = b & 1 == 1 ? b >> 1 ^ 0x82F6_3B78 : b >> 1
    }
    return product
  }
}
