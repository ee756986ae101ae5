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

  private(set) var bytes: [UInt8] = []
  private(set) var count = 0
  private static let headerBytes = 16

  var byteCount: Int { bytes.count }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ kind: Kind, key: RawSpan, value: RawSpan) {
    var header: (UInt32, UInt32, UInt64) = (
      UInt32(kind.rawValue), UInt32(clamping: key.byteCount), UInt64(value.byteCount)
    )
    unsafe withUnsafeBytes(of: &header) { unsafe bytes.append(contentsOf: $0) }
    // A key beyond 4 GiB cannot be a key: its length alone is kept, for the validator to refuse.
    if key.byteCount <= Int(UInt32.max) { unsafe key.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
    unsafe value.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    count += 1
  }

  mutating func removeAll(keepingCapacity: Bool) {
    bytes.removeAll(keepingCapacity: keepingCapacity)
    count = 0
  }

  /// The operations in their order.
  var operations: [Operation] {
    var result: [Operation] = []
    result.reserveCapacity(count)
    unsafe bytes.withUnsafeBytes { buffer in
      var position = 0
      for _ in 0..<count {
        let kind = unsafe buffer.loadUnaligned(fromByteOffset: position, as: UInt32.self)
        let keyLength = unsafe Int(buffer.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self))
        let valueLength = unsafe Int(buffer.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self))
        let key = position + Self.headerBytes
        result.append(
          Operation(
            kind: kind == UInt32(Kind.put.rawValue) ? .put : .delete, key: key..<key + keyLength,
            value: key + keyLength..<key + keyLength + valueLength))
        position = key + keyLength + valueLength
      }
    }
    return result
  }
}
