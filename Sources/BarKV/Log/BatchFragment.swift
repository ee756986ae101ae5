/// The content of a batch record: which part of which batch the following records are.
///
/// A batch is one fragment, or one in each segment that it reaches into. It counts only when all its fragments are whole:
/// that is what makes it atomic under a single barrier.
struct BatchFragment: Equatable {
  /// The batch's name: the sequence number of its first operation.
  var sequence: UInt64
  /// How many operations the whole batch has.
  var total: Int
  /// How many of them stand in earlier fragments.
  var first: Int
  /// How many follow this record.
  var count: Int

  static let encodedBytes = 20

  /// The number of the first operation that follows.
  var firstSequence: UInt64 { sequence &+ UInt64(first) }

  /// Whether an operation with that number is among those that follow.
  func covers(_ number: UInt64) -> Bool {
    number >= firstSequence && number &- firstSequence < UInt64(count)
  }

  /// Writes the 20 bytes at `target`.
  @unsafe
  func encode(to target: UnsafeMutableRawPointer) {
    unsafe target.setLittleEndian(sequence, at: 0)
    unsafe target.setLittleEndian(UInt32(total), at: 8)
    unsafe target.setLittleEndian(UInt32(first), at: 12)
    unsafe target.setLittleEndian(UInt32(count), at: 16)
  }

  /// Calls `body` with the 20 bytes.
  func withEncoded<R>(_ body: (UnsafeRawBufferPointer) throws(StoreError) -> R) throws(StoreError) -> R {
    var bytes: (UInt64, UInt64, UInt64) = (0, 0, 0)
    unsafe withUnsafeMutableBytes(of: &bytes) { unsafe encode(to: $0.baseAddress.unsafelyUnwrapped) }
    return try unsafe withUnsafeBytes(of: &bytes) { (bytes) throws(StoreError) in
      try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[..<Self.encodedBytes]))
    }
  }

  /// Reads the content of a valid batch record.
  @unsafe
  init?(_ source: UnsafeRawPointer) {
    unsafe sequence = source.littleEndian(UInt64.self, at: 0)
    unsafe total = Int(source.littleEndian(UInt32.self, at: 8))
    unsafe first = Int(source.littleEndian(UInt32.self, at: 12))
    unsafe count = Int(source.littleEndian(UInt32.self, at: 16))
    guard count >= 1, first + count <= total else { return nil }
  }

  init(sequence: UInt64, total: Int, first: Int, count: Int) {
    self.sequence = sequence
    self.total = total
    self.first = first
    self.count = count
  }
}
