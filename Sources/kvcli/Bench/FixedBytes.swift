/// Bytes at a place of their own, for loops that cannot ask at each access who else holds an array: that costs a call, and
/// the processor overlaps the fewer memory accesses, the more a turn of the loop does besides.
@safe
struct FixedBytes: ~Copyable {
  // Invariant: the memory has `count` initialized bytes, starts on a cache line, and is this value's alone.
  private let memory: UnsafeMutableRawPointer
  /// How many bytes there are.
  let count: Int

  /// A copy of `bytes`.
  init(_ bytes: [UInt8]) {
    unsafe memory = .allocate(byteCount: max(bytes.count, 1), alignment: 64)
    count = bytes.count
    for (offset, byte) in bytes.enumerated() {
      unsafe memory.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// Calls `body` with the bytes.
  @inline(__always)
  func withBytes<R, Problem: Error>(_ body: (RawSpan) throws(Problem) -> R) throws(Problem) -> R {
    try unsafe body(UnsafeRawBufferPointer(start: memory, count: count).bytes)
  }

  /// Calls `body` with `count` bytes from `offset` on.
  @inline(__always)
  func withBytes<R, Problem: Error>(
    _ offset: Int, count: Int, _ body: (RawSpan) throws(Problem) -> R
  ) throws(Problem) -> R {
    precondition(offset >= 0 && count >= 0 && count <= self.count &- offset)
    return try unsafe body(UnsafeRawBufferPointer(start: memory + offset, count: count).bytes)
  }

  /// Calls `body` with each of the pieces of `size` bytes whose numbers are in `places`.
  @inline(__always)
  func forEachPiece<Problem: Error>(
    of size: Int, in places: Range<Int>, _ body: (_ piece: RawSpan, _ place: Int) throws(Problem) -> Void
  ) throws(Problem) {
    precondition(size > 0 && places.lowerBound >= 0 && places.upperBound <= count / size)
    var piece = unsafe UnsafeRawPointer(memory + places.lowerBound &* size)
    var place = places.lowerBound
    while place < places.upperBound {
      try unsafe body(UnsafeRawBufferPointer(start: piece, count: size).bytes, place)
      unsafe piece += size
      place &+= 1
    }
  }

  /// The eight bytes at `offset`, the first one lowest.
  @inline(__always)
  func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= count - 8)
    return unsafe UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// Sets the eight bytes at `offset`, by one store.
  @inline(__always)
  mutating func setWord(_ word: UInt64, at offset: Int) {
    precondition(offset >= 0 && offset <= count - 8)
    unsafe memory.storeBytes(of: word.littleEndian, toByteOffset: offset, as: UInt64.self)
  }

  /// Sets the byte at `offset`.
  @inline(__always)
  mutating func setByte(_ byte: UInt8, at offset: Int) {
    precondition(offset >= 0 && offset < count)
    unsafe memory.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
  }
}
