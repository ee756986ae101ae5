/// Little-endian integers in raw memory: the byte order of everything in the region.
extension UnsafeRawPointer {
  /// The integer stored `offset` bytes on, at any alignment.
  @inline(__always)
  func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
    unsafe T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
  }
}

extension UnsafeMutableRawPointer {
  /// Stores the integer `offset` bytes on, at any alignment.
  @inline(__always)
  func setLittleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    unsafe storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
  }
}

/// The size of a cache line, which is the unit of everything that is written: a record starts on a line, and a line has
/// one writer.
let lineSize = 64

/// How many lines `bytes` bytes occupy.
@inline(__always)
func lineCount(bytes: Int) -> Int {
  // A shift: a division would also have to get negative numbers right.
  (bytes &+ (lineSize &- 1)) >> lineSize.trailingZeroBitCount
}

/// `value` rounded up to a multiple of `unit`, a power of two.
@inline(__always)
func roundUp(_ value: Int, to unit: Int) -> Int {
  (value &+ (unit &- 1)) & ~(unit &- 1)
}
