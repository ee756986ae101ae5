/// Puts and deletes that become durable and visible together, under one barrier: all of them, or after a crash none.
///
/// ```swift
/// var batch = Batch()
/// batch.put("Ada", for: "user/1")
/// batch.delete("user/2")
/// try store.write(batch)
/// ```
///
/// Later operations on a key win over earlier ones. A batch keeps its own copy of keys and values; it can be written more
/// than once.
public struct Batch: Sendable {
  var operations = OperationBuffer()

  /// An empty batch.
  public init() {}

  /// How many operations the batch has.
  public var count: Int { operations.count }

  /// How many bytes of memory the operations take.
  public var byteCount: Int { operations.byteCount }

  /// Adds a put.
  public mutating func put(_ value: RawSpan, for key: RawSpan) {
    operations.append(.put, key: key, value: value)
  }

  /// Adds a put.
  @inlinable
  public mutating func put<K: StoreBytes, V: StoreBytes>(_ value: V, for key: K) {
    key.withStoreBytes { key in
      value.withStoreBytes { value in put(value, for: key) }
    }
  }

  /// Adds a delete; it does no harm where the key is absent.
  public mutating func delete(_ key: RawSpan) {
    operations.append(.delete, key: key, value: RawSpan())
  }

  /// Adds a delete; it does no harm where the key is absent.
  @inlinable
  public mutating func delete<K: StoreBytes>(_ key: K) {
    key.withStoreBytes { delete($0) }
  }

  /// Takes all operations out.
  public mutating func removeAll(keepingCapacity: Bool = false) {
    operations.removeAll(keepingCapacity: keepingCapacity)
  }
}
