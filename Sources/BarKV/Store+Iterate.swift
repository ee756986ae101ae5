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
    for line in try lines(of: partition) {
      let (key, value) = try unsafe entry(atLine: line)
      try unsafe body(key, value)
      try unsafe checkEntry(value)
    }
  }

  private func visit(
    _ partition: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    for line in try lines(of: partition) {
      let (key, value) = try unsafe entry(atLine: line)
      try unsafe body(key, value)
      try unsafe checkEntry(value)
    }
  }

  /// The lines of a partition's records at one moment. The caller is inside a read.
  func lines(of partition: Int) throws(StoreError) -> [Int] {
    while true {
      if let lines = index.snapshot(partition) { return lines }
      try makeResident(partition)
    }
  }

  @unsafe
  @inline(__always)
  private func entry(
    atLine line: Int
  ) throws(StoreError) -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
    do throws(StoreError) {
      unsafe key = try unsafe self.key(atLine: line)
      unsafe value = try unsafe log.value(ofRecordAtLine: line, verifying: options.verifiesReads)
    } catch {
      // What looks damaged may be what stands in for a region that is gone.
      if !medium.isWhole { try checkPresence() }
      throw error
    }
    try unsafe checkEntry(value)
    return unsafe (key, value)
  }

  /// Throws if the entry's bytes are not the region's: before they are given out, and after.
  @unsafe
  @inline(__always)
  private func checkEntry(_ value: UnsafeRawBufferPointer) throws(StoreError) {
    if !medium.isWhole { try checkReads(of: unsafe medium.offsets(value.baseAddress, value.count)) }
  }

  @unsafe
  private func key(atLine line: Int) throws(StoreError) -> UnsafeRawBufferPointer {
    guard let key = unsafe log.key(ofRecordAtLine: line) else {
      throw .damagedRecord(offset: UInt64(line) * UInt64(lineSize))
    }
    return unsafe key
  }
}
