/// A value in place, and the read that keeps it there.
@unsafe
@usableFromInline
struct PinnedValue {
  @usableFromInline let bytes: UnsafeRawBufferPointer
  @usableFromInline let token: Int

  init(bytes: UnsafeRawBufferPointer, token: Int) {
    unsafe self.bytes = unsafe bytes
    unsafe self.token = token
  }
}

extension Store {
  // MARK: The core

  /// The newest durable value of `key`, kept in place until ``unpin(_:)``; `nil` and nothing to unpin where it is absent.
  @usableFromInline
  func pin(_ key: RawSpan) throws(StoreError) -> PinnedValue? {
    try limits.checkKey(key.byteCount)
    let token = epochs.enter()
    do throws(StoreError) {
      try lifecycle.check()
      let bytes = try unsafe key.withUnsafeBytes { (key) throws(StoreError) -> UnsafeRawBufferPointer? in
        let place = unsafe index.place(log.hash(key))
        guard let line = index.find(place, matches: { unsafe log.record(atLine: $0, hasKey: key) }) else {
          return nil
        }
        return try unsafe log.value(ofRecordAtLine: line, verifying: options.verifiesReads)
      }
      guard let bytes = unsafe bytes else {
        epochs.leave(token)
        return nil
      }
      return unsafe PinnedValue(bytes: bytes, token: token)
    } catch {
      epochs.leave(token)
      throw error
    }
  }

  @usableFromInline
  func unpin(_ value: PinnedValue) {
    unsafe epochs.leave(value.token)
  }

  // MARK: Reading in place

  /// Calls `body` with the value of `key` where it stands in the region, without copying it.
  ///
  /// The span is valid until `body` returns; meanwhile the value neither changes nor moves, whatever is written. A long
  /// `body` delays the reuse of space, and nobody's reads or writes.
  ///
  /// - Returns: what `body` returns, or `nil` where the key is absent.
  /// - Throws: ``StoreError/invalidKeyLength(_:maximum:)``, ``StoreError/damagedRecord(offset:)``, and what every call
  ///   throws: ``StoreError/closed``, ``StoreError/forked``, ``StoreError/deviceLost(_:)``.
  /// - Complexity: one index probe, one record; no barrier, no lock, no allocation.
  @inlinable
  public func withValue<R>(of key: RawSpan, _ body: (RawSpan) -> R) throws(StoreError) -> R? {
    guard let value = try unsafe pin(key) else { return nil }
    defer { unsafe unpin(value) }
    return unsafe body(value.bytes.bytes)
  }

  /// Calls `body` with the value of `key` where it stands; see ``withValue(of:_:)-(RawSpan,_)``.
  ///
  /// - Throws: a ``StoreError``, or what `body` throws.
  @inlinable
  public func withValue<R>(of key: RawSpan, _ body: (RawSpan) throws -> R) throws -> R? {
    guard let value = try unsafe pin(key) else { return nil }
    defer { unsafe unpin(value) }
    return try unsafe body(value.bytes.bytes)
  }

  /// Calls `body` with the value of `key` where it stands; see ``withValue(of:_:)-(RawSpan,_)``.
  @inlinable
  public func withValue<K: StoreBytes, R>(of key: K, _ body: (RawSpan) -> R) throws(StoreError) -> R? {
    try key.withStoreBytes { (key) throws(StoreError) in try withValue(of: key, body) }
  }

  /// Calls `body` with the value of `key` where it stands; see ``withValue(of:_:)-(RawSpan,_)``.
  ///
  /// - Throws: a ``StoreError``, or what `body` throws.
  @inlinable
  public func withValue<K: StoreBytes, R>(of key: K, _ body: (RawSpan) throws -> R) throws -> R? {
    try key.withStoreBytes { (key) throws in try withValue(of: key, body) }
  }

  // MARK: Reading a copy

  /// A copy of the value of `key`, or `nil` where it is absent.
  ///
  /// - Throws: as ``withValue(of:_:)-(RawSpan,_)``.
  /// - Complexity: one index probe, one record, one allocation.
  public func get(_ key: RawSpan) throws(StoreError) -> [UInt8]? {
    try withValue(of: key) { value in unsafe value.withUnsafeBytes { unsafe Array($0) } }
  }

  /// A copy of the value of `key`, or `nil` where it is absent.
  @inlinable
  public func get<K: StoreBytes>(_ key: K) throws(StoreError) -> [UInt8]? {
    try key.withStoreBytes { (key) throws(StoreError) in try get(key) }
  }

  /// The value of `key` as text, or `nil` where it is absent.
  ///
  /// - Throws: ``StoreError/undecodableValue`` where the bytes are no valid UTF-8; else as ``get(_:)-(RawSpan)``.
  public func getString(_ key: RawSpan) throws(StoreError) -> String? {
    guard let bytes = try get(key) else { return nil }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .undecodableValue }
    return text
  }

  /// The value of `key` as text, or `nil` where it is absent.
  @inlinable
  public func getString<K: StoreBytes>(_ key: K) throws(StoreError) -> String? {
    try key.withStoreBytes { (key) throws(StoreError) in try getString(key) }
  }

  /// Whether `key` is present.
  ///
  /// - Complexity: as ``withValue(of:_:)-(RawSpan,_)``.
  public func contains(_ key: RawSpan) throws(StoreError) -> Bool {
    try withValue(of: key) { _ in true } ?? false
  }

  /// Whether `key` is present.
  @inlinable
  public func contains<K: StoreBytes>(_ key: K) throws(StoreError) -> Bool {
    try key.withStoreBytes { (key) throws(StoreError) in try contains(key) }
  }
}
