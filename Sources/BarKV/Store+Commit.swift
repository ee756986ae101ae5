/// Writing many operations under one barrier: batches, which are atomic, and deferred writes, which are not.
extension Store {
  /// Makes all of a batch's operations durable and visible together.
  ///
  /// Atomic towards crashes: after one, all of the batch is there or nothing. Readers may see the first of its keys
  /// change an instant before the last.
  ///
  /// - Throws: ``StoreError/batchTooLarge(operations:)`` where an empty store could not hold it; ``StoreError/full``, also
  ///   for deletes, which a full store takes by ``delete(_:durability:)-(RawSpan,_)`` only; and what
  ///   ``put(_:for:)-(RawSpan,_)`` throws. Nothing is changed then.
  /// - Complexity: one barrier, or a share of one, however many operations; one more where values go to extents.
  public func write(_ batch: Batch) throws(StoreError) {
    try beginWrite()
    try makingRoom { () throws(StoreError) in try commit(batch.operations, isAtomic: true) }
    guard batch.count > 0 else { return }
    writes.add(1)
    endWrite()
  }

  // MARK: Deferred writes

  /// Makes all deferred writes durable and visible.
  ///
  /// - Throws: as ``write(_:)``. Where the store is full, the deferred writes stay deferred.
  /// - Complexity: one barrier, or none where nothing is deferred.
  public func persist() throws(StoreError) {
    try checkWritable()
    if deferredWrites.count.load(ordering: .acquiring) > 0 { try persistDeferred() }
  }

  func persistDeferred() throws(StoreError) {
    try makingRoom { () throws(StoreError) in
      deferredWrites.lock.lock()
      defer { deferredWrites.lock.unlock() }
      try lifecycle.check()
      try persistLocked()
    }
  }

  /// Persists what is deferred. The caller holds the deferred writes' lock.
  func persistLocked() throws(StoreError) {
    guard !deferredWrites.buffer.isEmpty else { return }
    try commit(deferredWrites.buffer, isAtomic: false)
    deferredWrites.buffer.removeAll(keepingCapacity: true)
    deferredWrites.count.store(0, ordering: .releasing)
    writes.add(1)
  }

  /// Accepts a write that becomes durable and visible with the next barrier.
  func deferWrite(_ kind: OperationBuffer.Kind, key: RawSpan, value: RawSpan) throws(StoreError) {
    try checkWritable()
    try makingRoom { () throws(StoreError) in try deferWriteIfRoom(kind, key: key, value: value) }
  }

  private func deferWriteIfRoom(
    _ kind: OperationBuffer.Kind, key: RawSpan, value: RawSpan
  ) throws(StoreError) {
    deferredWrites.lock.lock()
    defer { deferredWrites.lock.unlock() }
    try lifecycle.check()
    // A buffer that cannot be persisted, because the store is full, takes nothing more.
    if deferredWrites.buffer.byteCount >= options.deferredBytes { try persistLocked() }
    deferredWrites.buffer.append(kind, key: key, value: value)
    deferredWrites.count.store(deferredWrites.buffer.count, ordering: .releasing)
  }
}
