/// Where a value of a page or more stands: the content of a `putExtent` record behind the key.
struct ExtentReference: Equatable {
  /// The offset from the region's start, a multiple of the geometry's extent alignment.
  var offset: Int
  /// The value's bytes.
  var length: Int
  /// CRC32C of the value, from the salt of its segment.
  var checksum: UInt32
  /// The generation of the segment it stands in: a reference into an earlier use is no longer one.
  var generation: UInt64

  static let encodedBytes = 24

  /// Writes the 24 bytes at `target`.
  @unsafe
  func encode(to target: UnsafeMutableRawPointer) {
    unsafe target.setLittleEndian(UInt64(offset), at: 0)
    unsafe target.setLittleEndian(UInt32(length), at: 8)
    unsafe target.setLittleEndian(checksum, at: 12)
    unsafe target.setLittleEndian(generation, at: 16)
  }

  /// Calls `body` with the 24 bytes.
  func withEncoded<R>(_ body: (UnsafeRawBufferPointer) throws(StoreError) -> R) throws(StoreError) -> R {
    var bytes: (UInt64, UInt64, UInt64) = (0, 0, 0)
    unsafe withUnsafeMutableBytes(of: &bytes) { unsafe encode(to: $0.baseAddress.unsafelyUnwrapped) }
    return try unsafe withUnsafeBytes(of: &bytes) { (bytes) throws(StoreError) in try unsafe body(bytes) }
  }

  /// Reads the 24 bytes at `source`; nothing about them is checked but that they are numbers.
  @unsafe
  init(_ source: UnsafeRawPointer) {
    unsafe offset = Int(truncatingIfNeeded: source.littleEndian(UInt64.self, at: 0))
    unsafe length = Int(source.littleEndian(UInt32.self, at: 8))
    unsafe checksum = source.littleEndian(UInt32.self, at: 12)
    unsafe generation = source.littleEndian(UInt64.self, at: 16)
  }

  init(offset: Int, length: Int, checksum: UInt32, generation: UInt64) {
    self.offset = offset
    self.length = length
    self.checksum = checksum
    self.generation = generation
  }
}
