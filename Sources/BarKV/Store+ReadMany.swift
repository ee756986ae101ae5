/// Reading many values in one call, which overlaps the waits for their memory.
extension Store {
  // MARK: Reading in place

  /// Calls `body` with the position and the value of each key, where the value stands in the region; `nil` where the key is
  /// absent.
  ///
  /// Keys may be any number, and may repeat. `body` is called once for each, in their order. Each value is one that its key
  /// had at a moment during the call, and neither changes nor moves while `body` runs; the moments of two keys may differ.
  ///
  /// ```swift
  /// var total = 0
  /// try store.withValues(of: ["user/1", "user/2"]) { position, value in
  ///   total += value?.byteCount ?? 0
  /// }
  /// ```
  ///
  /// - Throws: as ``withValue(of:_:)-(RawSpan,_)``, at the first key that cannot be answered. `body` may have been called
  ///   for any number of keys by then, and what it made of the last sixteen is to be dropped: memory that is lost meanwhile
  ///   reads zeros.
  /// - Complexity: as so many single gets, of whose waits for memory sixteen overlap; no barrier, no lock, no allocation.
  @inlinable
  public func withValues<Keys: Collection>(
    of keys: Keys, _ body: (_ position: Int, _ value: RawSpan?) -> Void
  ) throws(StoreError) where Keys.Element: StoreBytes {
    var window = unsafe ReadWindow()
    var first = keys.startIndex
    var position = 0
    while first != keys.endIndex {
      try unsafe beginReads(&window)
      var count = 0
      var end = first
      do throws(StoreError) {
        while unsafe count < ReadWindow.capacity && end != keys.endIndex {
          try keys[end].withStoreBytes { (key) throws(StoreError) in try unsafe seek(key, at: count, in: &window) }
          count += 1
          keys.formIndex(after: &end)
        }
        unsafe seekRecords(count, in: &window)
        for item in 0..<count {
          try keys[first].withStoreBytes { (key) throws(StoreError) in try unsafe find(key, at: item, in: &window) }
          keys.formIndex(after: &first)
        }
      } catch {
        unsafe abandonReads(of: window)
        throw error
      }
      unsafe handOut(count, of: window, from: position, body)
      try unsafe endReads(count, of: window)
      position += count
    }
  }

  /// Calls `body` with the position and the value of each key; see ``withValues(of:_:)-(_,(Int,RawSpan?)->Void)``.
  ///
  /// - Throws: a ``StoreError``, or what `body` throws first: then it is not called again.
  @inlinable
  public func withValues<Keys: Collection>(
    of keys: Keys, _ body: (_ position: Int, _ value: RawSpan?) throws -> Void
  ) throws where Keys.Element: StoreBytes {
    var failure: (any Error)?
    try withValues(of: keys) { (position: Int, value: RawSpan?) in
      if failure != nil { return }
      do { try body(position, value) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// The same for keys of one length that stand one behind the other in memory: the fastest way to read many.
  ///
  /// - Parameters:
  ///   - keys: the keys' bytes.
  ///   - length: the bytes of each key.
  /// - Throws: as ``withValues(of:_:)-(_,(Int,RawSpan?)->Void)``; ``StoreError/invalidKeyLength(_:maximum:)`` where `keys`
  ///   does not end with a key.
  @inlinable
  public func withValues(
    ofKeys keys: RawSpan, length: Int, _ body: (_ position: Int, _ value: RawSpan?) -> Void
  ) throws(StoreError) {
    try checkKeys(keys.byteCount, length: length)
    try unsafe keys.withUnsafeBytes { (keys) throws(StoreError) in
      guard let bytes = keys.baseAddress else { return }
      var window = unsafe ReadWindow()
      let all = keys.count / length
      var position = 0
      while position < all {
        let count = unsafe min(all &- position, ReadWindow.capacity)
        try unsafe beginReads(&window)
        do throws(StoreError) {
          try unsafe findAll(bytes + position &* length, length: length, count: count, in: &window)
        } catch {
          unsafe abandonReads(of: window)
          throw error
        }
        unsafe handOut(count, of: window, from: position, body)
        try unsafe endReads(count, of: window)
        position &+= count
      }
    }
  }

  @unsafe
  @inlinable
  @inline(__always)
  func handOut(
    _ count: Int, of window: borrowing ReadWindow, from position: Int, _ body: (Int, RawSpan?) -> Void
  ) {
    for item in 0..<count {
      if let start = unsafe window.items[item].start {
        unsafe body(position &+ item, UnsafeRawBufferPointer(start: start, count: window.items[item].count).bytes)
      } else {
        body(position &+ item, nil)
      }
    }
  }

  // MARK: Reading copies

  /// Copies of the values of `keys`, in their order; `nil` where a key is absent.
  ///
  /// ```swift
  /// let values = try store.values(for: ["user/1", "user/2"])
  /// ```
  ///
  /// - Throws: as ``withValue(of:_:)-(RawSpan,_)``, at the first key that cannot be answered.
  /// - Complexity: as ``withValues(of:_:)-(_,(Int,RawSpan?)->Void)``; an allocation a value, and one for all.
  @inlinable
  public func values<Keys: Collection>(
    for keys: Keys
  ) throws(StoreError) -> [[UInt8]?] where Keys.Element: StoreBytes {
    var values: [[UInt8]?] = []
    values.reserveCapacity(keys.count)
    try withValues(of: keys) { (_: Int, value: RawSpan?) in
      if let value {
        values.append(unsafe value.withUnsafeBytes { unsafe Array($0) })
      } else {
        values.append(nil)
      }
    }
    return values
  }
}
