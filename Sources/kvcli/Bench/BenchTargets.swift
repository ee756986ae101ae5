/// Where the values of a group of gets are copied to, to be looked at when all have arrived.
@safe
struct BenchTargets: ~Copyable {
  // Invariant: the memory has `places` places of `size` bytes, initialized, and is this value's alone.
  private let memory: UnsafeMutableRawPointer
  private let places: Int
  /// The bytes of a value.
  private let size: Int

  /// Room for `places` values of `size` bytes.
  init(size: Int, places: Int) {
    self.size = size
    self.places = places
    unsafe memory = .allocate(byteCount: max(size * places, 1), alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: size * places)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// Takes the bytes of a value that was read; whether they are as many as they should be.
  @inline(__always)
  func copy(_ value: RawSpan, to place: Int) -> Bool {
    unsafe value.withUnsafeBytes { value in
      // Not "equal": the compiler would then work out the target's address from the value's length, and the processor would
      // not know where it stores before the record has arrived; the next get's loads would wait for that.
      guard value.count >= size, UInt(bitPattern: place) < UInt(bitPattern: places), size > 0 else {
        return value.count == size && size == 0
      }
      unsafe (memory + place &* size).copyMemory(from: value.baseAddress.unsafelyUnwrapped, byteCount: size)
      return value.count == size
    }
  }

  /// 0 where the bytes at `place` are those of record `number`. Values of less than 8 bytes are all the same.
  func difference(at place: Int, from number: Int) -> UInt64 {
    guard size >= 8 else { return 0 }
    precondition(place >= 0 && place < places)
    let word = unsafe (memory + place * size).loadUnaligned(as: UInt64.self)
    return UInt64(littleEndian: word) ^ UInt64(UInt(bitPattern: number))
  }
}
