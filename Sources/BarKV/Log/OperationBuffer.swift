import CBarKV

/// Puts and deletes one after the other in memory: a batch that is being built, or deferred writes that wait.
///
/// ```
/// | kind 1 | 0 … | key length 4 | value length 8 | key … | value … | next operation
/// ```
struct OperationBuffer: Sendable {
  /// What an operation does.
  enum Kind: UInt8, Sendable {
    case put = 1
    case delete = 3
  }

  /// One operation, by the ranges of its key and value in the buffer.
  struct Operation: Sendable {
    var kind: Kind
    var key: Range<Int>
    var value: Range<Int>
  }

  /// The operations, and behind them what is left of the memory: so an append is one check and three copies.
  private var memory: [UInt8] = []
  /// The bytes that the operations take.
  private(set) var byteCount = 0
  private(set) var count = 0
  private static let headerBytes = 16

  var isEmpty: Bool { count == 0 }

  mutating func append(_ kind: Kind, key: RawSpan, value: RawSpan) {
    // A key beyond 4 GiB cannot be a key: its length alone is kept, for the validator to refuse.
    let keyCount = key.byteCount <= Int(UInt32.max) ? key.byteCount : 0
    let end = byteCount + Self.headerBytes + keyCount + value.byteCount
    if end > memory.count { grow(to: end) }
    let position = byteCount
    unsafe memory.withUnsafeMutableBytes { memory in
      let target = unsafe memory.baseAddress.unsafelyUnwrapped + position
      unsafe target.storeBytes(of: UInt32(kind.rawValue), as: UInt32.self)
      unsafe target.storeBytes(of: UInt32(clamping: key.byteCount), toByteOffset: 4, as: UInt32.self)
      unsafe target.storeBytes(of: UInt64(value.byteCount), toByteOffset: 8, as: UInt64.self)
      let body = unsafe target + Self.headerBytes
      unsafe key.withUnsafeBytes { key in
        if let start = key.baseAddress, keyCount > 0 { unsafe barkv_copy_key(body, start, keyCount) }
      }
      unsafe value.withUnsafeBytes { value in
        if let start = value.baseAddress { unsafe barkv_copy_value(body + keyCount, start, value.count) }
      }
    }
    byteCount = end
    count += 1
  }

  /// Makes the memory half as large again, or as large as it has to be.
  @inline(never)
  private mutating func grow(to bytes: Int) {
    let wanted = max(bytes, memory.count + memory.count / 2, 256)
    memory.append(contentsOf: repeatElement(0, count: wanted - memory.count))
  }

  mutating func removeAll(keepingCapacity: Bool) {
    if !keepingCapacity { memory = [] }
    byteCount = 0
    count = 0
  }

  /// Calls `body` with the operations' bytes, to which their ranges refer.
  @inline(__always)
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws(StoreError) -> R) throws(StoreError) -> R {
    try unsafe memory.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in try unsafe body(bytes) }
  }

  /// Calls `body` with the operations in their order. `bytes` are those of ``withBytes(_:)``.
  @unsafe
  @inline(__always)
  func forEach(
    in bytes: UnsafeRawBufferPointer, _ body: (Operation) throws(StoreError) -> Void
  ) throws(StoreError) {
    var position = 0
    for _ in 0..<count {
      let kind = unsafe bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
      let keyLength = unsafe Int(bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self))
      let valueLength = unsafe Int(bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self))
      let key = position + Self.headerBytes
      try body(
        Operation(
          kind: kind == UInt32(Kind.put.rawValue) ? .put : .delete, key: key..<key + keyLength,
          value: key + keyLength..<key + keyLength + valueLength))
      position = key + keyLength + valueLength
    }
  }
}
