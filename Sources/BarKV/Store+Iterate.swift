extension Store {
  /// Calls `body` with each entry, in no particular order.
  ///
  /// Every key that is present from the call's beginning to its end is visited exactly once; one that is added or taken
  /// out meanwhile, once or not at all. The spans are valid until `body` returns. `body` may read and write the store.
  ///
  /// - Throws: ``StoreError/damagedRecord(offset:)``, and what every call throws.
  /// - Complexity: every entry's record is touched; memory for a part of the index; no lock, no barrier.
  public func forEach(_ body: (_ key: RawSpan, _ value: RawSpan) -> Void) throws(StoreError) {
    for partition in 0..<index.partitionCount {
      unsafe try visit(partition) { (key, value) throws(StoreError) in unsafe body(key.bytes, value.bytes) }
    }
  }

  /// Calls `body` with each entry until it throws; see ``forEach(_:)-((RawSpan,RawSpan)->Void)``.
  ///
  /// - Throws: a ``StoreError``, or what `body` throws.
  public func forEach(_ body: (_ key: RawSpan, _ value: RawSpan) throws -> Void) throws {
    for partition in 0..<index.partitionCount {
      unsafe try visit(partition) { key, value in try unsafe body(key.bytes, value.bytes) }
    }
  }

  private func visit(
    _ partition: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(StoreError) -> Void
  ) throws(StoreError) {
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    for line in index.snapshot(partition) {
      try unsafe body(key(atLine: line), log.value(ofRecordAtLine: line, verifying: options.verifiesReads))
    }
  }

  private func visit(
    _ partition: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    for line in index.snapshot(partition) {
      try unsafe body(key(atLine: line), log.value(ofRecordAtLine: line, verifying: options.verifiesReads))
    }
  }

  @unsafe
  private func key(atLine line: Int) throws(StoreError) -> UnsafeRawBufferPointer {
    guard let key = unsafe log.key(ofRecordAtLine: line) else {
      throw .damagedRecord(offset: UInt64(line) * UInt64(lineSize))
    }
    return unsafe key
  }
}
