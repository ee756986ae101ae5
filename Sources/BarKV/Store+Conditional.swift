import CBarKV

/// What an update makes of a key.
public enum Update: Sendable, Equatable {
  /// Leaves it as it is.
  case keep
  /// Sets its value.
  case put([UInt8])
  /// Takes it out.
  case delete
}

/// Writes that depend on what is there.
extension Store {
  /// Sets the value of `key` to `new` if it is `expected` now; `nil` stands for an absent key on either side.
  ///
  /// Atomic per key: no other write to it comes between the comparison and the change.
  ///
  /// - Returns: whether the value was as expected, and so is `new` now, durably.
  /// - Throws: as ``put(_:for:)-(RawSpan,_)``.
  /// - Complexity: one barrier where something changes, none where not.
  public func compareAndSwap<K: StoreBytes, Old: StoreBytes, New: StoreBytes>(
    _ key: K, expected: Old?, new: New?
  ) throws(StoreError) -> Bool {
    try beginWrite()
    let swapped = try key.withStoreBytes { (key) throws(StoreError) in
      try limits.checkKey(key.byteCount)
      return try unsafe key.withUnsafeBytes { (key) throws(StoreError) in
        try makingRoom(for: new == nil ? .delete : .put) { () throws(StoreError) in
          try unsafe compareAndSwap(key, expected: expected, new: new)
        }
      }
    }
    if swapped { endWrite() }
    return swapped
  }

  @unsafe
  private func compareAndSwap<Old: StoreBytes, New: StoreBytes>(
    _ key: UnsafeRawBufferPointer, expected: Old?, new: New?
  ) throws(StoreError) -> Bool {
    if let new { try new.withStoreBytes { (value) throws(StoreError) in try limits.checkValue(value.byteCount) } }
    let place = unsafe index.place(log.hash(key))
    let lock = try lockPartition(place.partition)
    defer { lock.unlock() }
    try lifecycle.check()
    let line = index.position(place, matches: { unsafe log.record(atLine: $0, hasKey: key) })?.line
    if line == nil { try checkAbsence(place, keyLength: key.count) }
    guard try holds(expected, line: line) else { return false }
    return try unsafe changeLocked(key, place: place, isPresent: line != nil, to: new)
  }

  /// Whether the record at `line`, or its absence, is what is expected.
  private func holds<V: StoreBytes>(_ expected: V?, line: Int?) throws(StoreError) -> Bool {
    guard let line else { return expected == nil }
    guard let expected else { return false }
    let current = try unsafe log.value(ofRecordAtLine: line, verifying: options.verifiesReads)
    let holds = expected.withStoreBytes { expected in
      unsafe expected.withUnsafeBytes { expected in
        unsafe expected.count == current.count
          && (current.isEmpty || barkv_equal(expected.baseAddress!, current.baseAddress!, current.count))
      }
    }
    if !medium.isWhole { try checkReads(of: unsafe medium.offsets(current.baseAddress, current.count)) }
    return holds
  }

  /// Puts or deletes; `true`. The caller holds the key's partition.
  @unsafe
  private func changeLocked<V: StoreBytes>(
    _ key: UnsafeRawBufferPointer, place: Index.Place, isPresent: Bool, to new: V?
  ) throws(StoreError) -> Bool {
    guard let new else {
      if isPresent { _ = try unsafe deleteLocked(key, place: place) }
      return true
    }
    try new.withStoreBytes { (value) throws(StoreError) in
      try unsafe value.withUnsafeBytes { (value) throws(StoreError) in
        try unsafe putAnyLocked(key, value, place: place)
      }
    }
    return true
  }

  /// Changes the value of `key` by what `body` makes of it: read, modify, write, atomic per key.
  ///
  /// `body` gets the current value, or `nil` where the key is absent, and holds no lock: when another write to the key
  /// comes in between, it is called again with the newer value. So it should depend on nothing else, and have no effect
  /// but its result.
  ///
  /// ```swift
  /// try store.update("counter") { current in
  ///   let count = current.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
  ///   return .put(Array(String(count + 1).utf8))
  /// }
  /// ```
  ///
  /// - Throws: as ``put(_:for:)-(RawSpan,_)``.
  /// - Complexity: a copy of the value for each call of `body`; one barrier where something changes.
  public func update<K: StoreBytes>(_ key: K, _ body: ([UInt8]?) -> Update) throws(StoreError) {
    while true {
      let current = try currentValue(key)
      if try apply(body(current), to: key, expecting: current) { return }
    }
  }

  /// Changes the value of `key` by what `body` makes of it; see ``update(_:_:)-(_,([UInt8]?)->Update)``.
  ///
  /// - Throws: a ``StoreError``, or what `body` throws, with nothing changed.
  public func update<K: StoreBytes>(_ key: K, _ body: ([UInt8]?) throws -> Update) throws {
    while true {
      let current = try currentValue(key)
      if try apply(body(current), to: key, expecting: current) { return }
    }
  }

  /// The value that an update starts from; what this thread deferred counts as written before.
  private func currentValue<K: StoreBytes>(_ key: K) throws(StoreError) -> [UInt8]? {
    try beginWrite()
    return try get(key)
  }

  private func apply<K: StoreBytes>(
    _ change: Update, to key: K, expecting current: [UInt8]?
  ) throws(StoreError) -> Bool {
    switch change {
    case .keep: true
    case .put(let value): try compareAndSwap(key, expected: current, new: value)
    case .delete: try compareAndSwap(key, expected: current, new: [UInt8]?.none)
    }
  }
}
