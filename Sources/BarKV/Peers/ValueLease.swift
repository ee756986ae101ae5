/// A value that stays where it is, as it is, for a device to read, until the lease is released or goes out of scope.
///
/// The key may be overwritten or deleted meanwhile: readers get what is new, and the leased bytes stay. What is kept is the
/// reuse of the segment they are in, and nobody's progress.
public struct ValueLease: ~Copyable, Sendable {
  private let store: Store
  private let number: UInt64
  private let range: PeerRange

  init(_ store: Store, number: UInt64, range: PeerRange) {
    self.store = store
    self.number = number
    self.range = range
  }

  deinit { store.endLease(number) }

  /// Where the value starts, from the region's start. A value that was short enough to be kept in its record starts at any
  /// byte; a longer one where extents do: on a page, or, where segments have less than 64 KiB, on a line.
  public var offset: Int { range.offset }
  /// The value's bytes.
  public var length: Int { range.length }
  /// Where other devices find it; `nil` where that is not known: ``noAddress`` says why.
  public var address: BusAddress? { range.address }
  /// Where the NVMe controller whose Persistent Memory Region this is finds it by its own commands, where it was given a
  /// base for that.
  public var controllerAddress: BusAddress? { range.controllerAddress }
  /// Why there is no ``address``; `nil` where there is one.
  public var noAddress: NoBusAddress? { range.noAddress }

  /// The value's place in pieces of at most `bytes` bytes, a scatter list; 1 where less is asked for.
  public func pieces(ofAtMost bytes: Int) -> ScatterList { ScatterList(range, pieceLength: bytes) }

  /// Calls `body` with the leased bytes, for a peer that is a part of this process.
  ///
  /// - Throws: ``StoreError/closed`` and what every call throws; ``StoreError/damagedRecord(offset:)``.
  public func withBytes<R>(_ body: (RawSpan) -> R) throws(StoreError) -> R {
    try store.withLeasedBytes(range.offset..<range.offset + range.length, body)
  }

  /// Ends the lease. The device reads no more.
  public consuming func release() {}
}

extension Store {
  /// Keeps the value of `key` in its place for a device to read.
  ///
  /// A lease ends with the process, and with ``close()``: a device must not read beyond that.
  ///
  /// - Returns: the lease, or `nil` where the key is absent.
  /// - Throws: as ``withValue(of:_:)-(RawSpan,_)``.
  /// - Complexity: one index probe, one record, one allocation; no barrier.
  public func lease<K: StoreBytes>(_ key: K) throws(StoreError) -> ValueLease? {
    let name = key.withStoreBytes { key in unsafe key.withUnsafeBytes { unsafe Array($0) } }
    guard let pinned = try pinValue(of: name) else { return nil }
    return ValueLease(
      self, number: pinned.number, range: peerAddressing.range(pinned.range.lowerBound, length: pinned.range.count))
  }

  /// Pins the segment of a key's value, and enters the lease.
  private func pinValue(of key: [UInt8]) throws(StoreError) -> (number: UInt64, range: Range<Int>)? {
    try limits.checkKey(key.count)
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    let place = unsafe key.withUnsafeBytes { unsafe index.place(log.hash($0)) }
    let found = try unsafe key.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
      try unsafe findLine(of: bytes, at: place)
    }
    guard let line = found else {
      try checkAbsence(place, keyLength: key.count)
      return nil
    }
    let value = try unsafe log.value(ofRecordAtLine: line, verifying: options.verifiesReads)
    let range = unsafe medium.offsets(value.baseAddress, value.count)
    if !medium.isWhole { try checkReads(of: range) }
    // Inside the read, so that the segment cannot have been used again before it is pinned.
    let segment = superblock.geometry.segment(at: range.lowerBound)
    log.segments.addPin(Self.pins, segment: segment)
    let number = leaseTable.add(
      LeaseTable.Entry(key: key, range: range, segment: segment, began: monotonicNanoseconds()))
    return (number, range)
  }

  /// Calls `body` with a lease of the value of `key`, which ends when `body` returns.
  ///
  /// - Returns: what `body` returns, or `nil` where the key is absent.
  /// - Throws: as ``lease(_:)``, or what `body` throws.
  public func withLease<K: StoreBytes, R>(of key: K, _ body: (borrowing ValueLease) throws -> R) throws -> R? {
    guard let lease = try lease(key) else { return nil }
    return try body(lease)
  }

  /// The leases that are out, the oldest first. One that was forgotten shows by its age.
  public var leases: [LeaseInfo] {
    let now = monotonicNanoseconds()
    return leaseTable.all.map { entry in
      LeaseInfo(
        key: entry.key, offset: entry.range.lowerBound, length: entry.range.count,
        ageSeconds: (now - min(now, entry.began)) / 1_000_000_000)
    }
  }

  /// The pins of a lease.
  private static var pins: Int { Mutant.forgetsLease.isActive ? 0 : 1 }

  func endLease(_ number: UInt64) {
    if let entry = leaseTable.remove(number) { log.segments.addPin(-Self.pins, segment: entry.segment) }
  }

  func withLeasedBytes<R>(_ range: Range<Int>, _ body: (RawSpan) -> R) throws(StoreError) -> R {
    try holdingOpen { () throws(StoreError) in
      let result = unsafe body(UnsafeRawBufferPointer(rebasing: medium.bytes[range]).bytes)
      if !medium.isWhole { try checkReads(of: range) }
      return result
    }
  }
}
