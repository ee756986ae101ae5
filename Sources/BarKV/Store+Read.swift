public import Synchronization

/// What a look at a key finds.
@unsafe
@usableFromInline
struct Look {
  /// Where the value starts, or `nil`.
  @usableFromInline let start: UnsafeRawPointer?
  /// The value's bytes; without a start 0 where the key is absent, -1 where it takes more than a look.
  @usableFromInline let count: Int
  /// The line in which the reading thread has announced its read; `nil` where ``Store/endRead()`` has to find out.
  @usableFromInline let reader: UnsafeMutablePointer<Atomic<UInt64>>?

  @inline(__always)
  init(start: UnsafeRawPointer?, count: Int, reader: UnsafeMutablePointer<Atomic<UInt64>>? = nil) {
    unsafe self.start = unsafe start
    unsafe self.count = count
    unsafe self.reader = unsafe reader
  }
}

extension Store {
  // MARK: The core

  /// Looks for `key` and, where it is found in a plain record, begins a read that keeps the value in place until
  /// ``endRead(_:)``.
  ///
  /// This is the shortest way to the most common case, a key of two words. It calls nothing, so it saves no registers: what
  /// bounds random gets is how many of them fit into the processor's queues at a time, and waits for memory overlap only as
  /// far.
  @usableFromInline
  func look(_ bytes: UnsafeRawPointer?, _ length: Int) -> Look {
    guard length == 16, let reader = unsafe epochs.enterQuickly() else { return unsafe lookAnyhow(bytes, length) }
    let key = unsafe UnsafeRawBufferPointer(start: bytes.unsafelyUnwrapped, count: 16)
    let place = unsafe index.place(KeyHash.of(key, seed: superblock.seed))
    let slot = index.findAtHome(place)
    if slot.isOccupied, unsafe log.record(atLine: slot.line, hasKey: key),
      let value = unsafe log.inlineValue(ofRecordAtLine: slot.line, keyLength: 16)
    {
      return unsafe Look(start: value.baseAddress, count: value.count, reader: reader)
    }
    if slot == .empty {
      // Found out without a look at the region.
      unsafe Epochs.leave(reader)
      return unsafe Look(start: nil, count: 0)
    }
    return unsafe lookFurther(key, place: place, reader: reader)
  }

  /// Goes on where the home bucket did not tell.
  @inline(never)
  private func lookFurther(_ key: UnsafeRawBufferPointer, place: Index.Place, reader: Epochs.Line) -> Look {
    var count = -1
    switch index.find(place, matches: { unsafe log.record(atLine: $0, hasKey: key) }) {
    case .record(let line):
      if let value = unsafe log.inlineValue(ofRecordAtLine: line, keyLength: key.count) {
        return unsafe Look(start: value.baseAddress, count: value.count, reader: reader)
      }
    case .absent: if medium.isWhole { count = 0 }
    case .notResident: break
    }
    unsafe Epochs.leave(reader)
    return unsafe Look(start: nil, count: count)
  }

  /// The same for any key and thread.
  @inline(never)
  private func lookAnyhow(_ bytes: UnsafeRawPointer?, _ length: Int) -> Look {
    guard let bytes = unsafe bytes, length >= 1, length <= limits.maximumKeyLength, !options.verifiesReads else {
      return unsafe Look(start: nil, count: -1)
    }
    let key = unsafe UnsafeRawBufferPointer(start: bytes, count: length)
    epochs.enter()
    var count = -1
    if lifecycle.isOpen {
      let place = unsafe index.place(log.hash(key))
      switch index.find(place, matches: { unsafe log.record(atLine: $0, hasKey: key) }) {
      case .record(let line):
        if let value = unsafe log.inlineValue(ofRecordAtLine: line, keyLength: length) {
          return unsafe Look(start: value.baseAddress, count: value.count)
        }
      case .absent: if medium.isWhole { count = 0 }
      case .notResident: break
      }
    }
    epochs.leave()
    return unsafe Look(start: nil, count: count)
  }

  /// The same with every case and error; `nil`, and no read begun, where the key is absent.
  @usableFromInline
  @inline(never)
  func lookCarefully(_ key: RawSpan) throws(StoreError) -> Look? {
    try limits.checkKey(key.byteCount)
    epochs.enter()
    do throws(StoreError) {
      try lifecycle.check()
      let bytes = try unsafe key.withUnsafeBytes { (key) throws(StoreError) -> UnsafeRawBufferPointer? in
        let place = unsafe index.place(log.hash(key))
        guard let line = try unsafe findLine(of: key, at: place) else {
          try checkAbsence(place, keyLength: key.count)
          return nil
        }
        return try unsafe log.value(ofRecordAtLine: line, verifying: options.verifiesReads)
      }
      guard let bytes = unsafe bytes else {
        epochs.leave()
        return nil
      }
      return unsafe Look(start: bytes.baseAddress, count: bytes.count)
    } catch {
      defer { epochs.leave() }
      // What looks damaged may be what stands in for a region that is gone.
      if case .damagedRecord = error, !medium.isWhole { try checkPresence() }
      throw error
    }
  }

  /// The line of the key's record. The caller is inside a read.
  ///
  /// A partition that is not resident is made so by a later get that asks for it: the first takes from the region what it needs
  /// itself.
  @unsafe
  func findLine(of key: UnsafeRawBufferPointer, at place: Index.Place) throws(StoreError) -> Int? {
    while true {
      switch index.find(place, matches: { unsafe log.record(atLine: $0, hasKey: key) }) {
      case .record(let line): return line
      case .absent: return nil
      case .notResident:
        if medium.isWhole, loader.isBetterAside(place.partition) {
          let line = try loader.find(place) { unsafe log.record(atLine: $0, hasKey: key) }
          // Else what was read may have been what stands in for lost memory: what it means is told by the long way.
          if medium.isWhole { return line }
        }
        try makeResident(place.partition)
      }
    }
  }

  /// Makes a partition resident, if nobody else has meanwhile. The caller holds no lock.
  @inline(never)
  func makeResident(_ partition: Int) throws(StoreError) {
    let lock = try lockPartition(partition)
    lock.unlock()
  }

  /// Ends the read that a look began, after the value was used.
  ///
  /// - Throws: if what was used were not the region's bytes: then nothing that was made of them may be given out.
  @inlinable
  @inline(__always)
  func endRead(_ found: Look) throws(StoreError) {
    // What was read, was read before the question whether it was lost.
    atomicMemoryFence(ordering: .acquiring)
    if unsafe lossState.pointee.load(ordering: .relaxed) == 0, let reader = unsafe found.reader {
      unsafe Epochs.leave(reader)
    } else {
      try unsafe endReadCarefully(found)
    }
  }

  @usableFromInline
  @inline(never)
  func endReadCarefully(_ found: Look) throws(StoreError) {
    defer { epochs.leave() }
    if !medium.isWhole { try checkReads(of: unsafe medium.offsets(found.start, found.count)) }
  }

  // MARK: Reading in place

  /// Calls `body` with the value of `key` where it stands in the region, without copying it.
  ///
  /// The span is valid until `body` returns; meanwhile the value neither changes nor moves, whatever is written. A long
  /// `body` delays the reuse of space, and nobody's reads or writes. If the memory under it is lost while `body` runs, it
  /// reads zeros; what it returns is then dropped, and the loss is thrown.
  ///
  /// - Returns: what `body` returns, or `nil` where the key is absent.
  /// - Throws: ``StoreError/invalidKeyLength(_:maximum:)``, ``StoreError/damagedRecord(offset:)``, and what every call
  ///   throws: ``StoreError/closed``, ``StoreError/forked``, ``StoreError/deviceLost(_:)``.
  /// - Complexity: one index probe, one record; no barrier, no lock, no allocation. Where a part of the index is not in
  ///   memory, after opening or as a budget took it away, the first gets there look into the region themselves, and a later one
  ///   fills the part: some 20 us, more where the region's pages are not mapped yet.
  @inlinable
  @inline(__always)
  public func withValue<R>(of key: RawSpan, _ body: (RawSpan) -> R) throws(StoreError) -> R? {
    var found = unsafe key.withUnsafeBytes { unsafe look($0.baseAddress, $0.count) }
    if unsafe found.start == nil {
      guard unsafe found.count < 0, let careful = try unsafe lookCarefully(key) else { return nil }
      unsafe found = careful
    }
    let result = unsafe body(UnsafeRawBufferPointer(start: found.start, count: found.count).bytes)
    try unsafe endRead(found)
    return result
  }

  /// Calls `body` with the value of `key` where it stands; see ``withValue(of:_:)-(RawSpan,_)``.
  ///
  /// - Throws: a ``StoreError``, or what `body` throws.
  @inlinable
  public func withValue<R>(of key: RawSpan, _ body: (RawSpan) throws -> R) throws -> R? {
    let result: Result<R, any Error>? = try withValue(of: key) { (value: RawSpan) in
      do { return .success(try body(value)) } catch { return .failure(error) }
    }
    return try result?.get()
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
