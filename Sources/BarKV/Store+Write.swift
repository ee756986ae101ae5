extension Store {
  // MARK: Put

  /// Sets the value of `key`, durably.
  ///
  /// Returns once the write is durable at the level of ``persistence``; readers see it from then on. A crash before that
  /// leaves the old value or the new one, whole.
  ///
  /// - Throws: ``StoreError/invalidKeyLength(_:maximum:)``, ``StoreError/valueTooLarge(_:maximum:)``,
  ///   ``StoreError/full`` with nothing changed, ``StoreError/readOnly``; ``StoreError/outcomeUnknown(_:)`` when the
  ///   barrier fails, after which the store is poisoned; and what every call throws.
  /// - Complexity: one barrier, or a share of one; two where the value goes to an extent. No allocation.
  @inlinable
  public func put(_ value: RawSpan, for key: RawSpan) throws(StoreError) {
    try put(value, for: key, durability: .immediate)
  }

  /// Sets the value of `key`, durably or with the next barrier; see ``Durability``.
  public func put(_ value: RawSpan, for key: RawSpan, durability: Durability) throws(StoreError) {
    try limits.checkKey(key.byteCount)
    if durability == .deferred { return try deferPut(value, for: key) }
    // Without closures: each that is not inlined stands between one write's fence and the next one's look at the index.
    let keyBytes = unsafe key.bytesWhileBorrowed
    let place = unsafe prefetchPlace(of: keyBytes)
    try limits.checkValue(value.byteCount)
    if isExtent(keyLength: key.byteCount, valueLength: value.byteCount) { return try putExtent(value, for: key) }
    try beginWrite()
    let valueBytes = unsafe value.bytesWhileBorrowed
    do throws(StoreError) {
      try unsafe putOnce(keyBytes, valueBytes, place: place)
    } catch {
      try unsafe putAgain(keyBytes, valueBytes, place: place, after: error)
    }
    endWrite()
  }

  @inline(never)
  private func deferPut(_ value: RawSpan, for key: RawSpan) throws(StoreError) {
    try limits.checkValue(value.byteCount)
    if isExtent(keyLength: key.byteCount, valueLength: value.byteCount) { return try putExtent(value, for: key) }
    try deferWrite(.put, key: key, value: value)
  }

  /// The key's place, with its lines of the index on their way: a write's first step, while the fence of the thread's last
  /// one still waits. That works only as long as few instructions are between the two: the processor looks ahead by some
  /// two hundred. Nothing is looked at that a closed store does not have.
  @unsafe
  @inline(__always)
  private func prefetchPlace(of key: UnsafeRawBufferPointer) -> Index.Place {
    let place = unsafe index.place(log.hash(key))
    index.prefetchBoth(place)
    return place
  }

  @unsafe
  @inline(__always)
  private func putOnce(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, place: Index.Place
  ) throws(StoreError) {
    let lock = try lockPartition(place.partition)
    defer { lock.unlock() }
    try unsafe putLocked(key, value, extent: nil, place: place)
  }

  /// As ``makingRoom(for:_:)`` does. Its closure would be one more reference to the store to count in each put, and counting
  /// is a locked instruction, which waits for the record's lines to leave the processor.
  @unsafe
  @inline(never)
  private func putAgain(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, place: Index.Place, after error: StoreError
  ) throws(StoreError) {
    guard error == .full else { throw error }
    try makingRoomSlowly(for: .put) { () throws(StoreError) in try unsafe putOnce(key, value, place: place) }
  }

  /// The same for a value that is kept in an extent.
  @inline(never)
  private func putExtent(_ value: RawSpan, for key: RawSpan) throws(StoreError) {
    try beginWrite()
    // An extent is written before any lock is taken: it may be large.
    let extent = try unsafe value.withUnsafeBytes { (value) throws(StoreError) in
      try makingRoom { () throws(StoreError) in try unsafe writeExtent(value) }
    }
    try unsafe key.withUnsafeBytes { (key) throws(StoreError) in
      let place = unsafe index.place(log.hash(key))
      try referring(to: extent) { () throws(StoreError) in
        try makingRoom { () throws(StoreError) in
          let lock = try lockPartition(place.partition)
          defer { lock.unlock() }
          try unsafe putLocked(key, extent, place: place)
        }
      }
    }
    endWrite()
  }

  /// Sets the value of `key`; see ``put(_:for:)-(RawSpan,_)``.
  @inlinable
  public func put<K: StoreBytes, V: StoreBytes>(
    _ value: V, for key: K, durability: Durability = .immediate
  ) throws(StoreError) {
    try key.withStoreBytes { (key) throws(StoreError) in
      try value.withStoreBytes { (value) throws(StoreError) in try put(value, for: key, durability: durability) }
    }
  }

  // MARK: Delete

  /// Takes `key` out, durably.
  ///
  /// - Returns: whether it was present; where it was not, nothing is written and no barrier is made.
  /// - Throws: as ``put(_:for:)-(RawSpan,_)``. A full store still deletes.
  /// - Complexity: one barrier, or a share of one.
  @discardableResult
  public func delete(_ key: RawSpan, durability: Durability = .immediate) throws(StoreError) -> Bool {
    try limits.checkKey(key.byteCount)
    if durability == .deferred {
      try checkWritable()
      let isPresent = try contains(key) || deferredWrites.count.load(ordering: .relaxed) > 0
      if isPresent { try deferWrite(.delete, key: key, value: RawSpan()) }
      return isPresent
    }
    let keyBytes = unsafe key.bytesWhileBorrowed
    let place = unsafe prefetchPlace(of: keyBytes)
    try beginWrite()
    var existed: Bool
    do throws(StoreError) {
      existed = try unsafe deleteOnce(keyBytes, place: place)
    } catch {
      existed = try unsafe deleteAgain(keyBytes, place: place, after: error)
    }
    if existed { endWrite() }
    return existed
  }

  @unsafe
  @inline(__always)
  private func deleteOnce(_ key: UnsafeRawBufferPointer, place: Index.Place) throws(StoreError) -> Bool {
    let lock = try lockPartition(place.partition)
    defer { lock.unlock() }
    return try unsafe deleteLocked(key, place: place)
  }

  @unsafe
  @inline(never)
  private func deleteAgain(
    _ key: UnsafeRawBufferPointer, place: Index.Place, after error: StoreError
  ) throws(StoreError) -> Bool {
    guard error == .full else { throw error }
    return try makingRoomSlowly(for: .delete) { () throws(StoreError) in try unsafe deleteOnce(key, place: place) }
  }

  /// Takes `key` out; see ``delete(_:durability:)-(RawSpan,_)``.
  @discardableResult
  @inlinable
  public func delete<K: StoreBytes>(_ key: K, durability: Durability = .immediate) throws(StoreError) -> Bool {
    try key.withStoreBytes { (key) throws(StoreError) in try delete(key, durability: durability) }
  }

  // MARK: One record: the caller holds the key's partition

  /// Appends a put, makes it durable, publishes it.
  ///
  /// - Parameters:
  ///   - value: what stands behind the key: the value, or the reference to its extent.
  ///   - extent: the extent that `value` refers to, if it does.
  @unsafe
  @inline(__always)
  func putLocked(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, extent: ExtentReference?, place: Index.Place
  ) throws(StoreError) {
    try lifecycle.check()
    let lines = Record.lines(keyLength: key.count, valueLength: value.count)
    let lane = try poisoning { () throws(StoreError) in
      try log.acquireLane(bytes: lines &* lineSize, place: place)
    }
    defer { log.release(lane) }
    try poisoning { () throws(StoreError) in
      let offset = try unsafe log.append(
        lane, kind: extent == nil ? .put : .putExtent, sequence: log.takeSequence(), key: key, value: value)
      let line = offset >> lineSize.trailingZeroBitCount
      // What needs no answer of the search comes before it, since it is the search that waits: its line is on its way from
      // memory until then, and the less follows it, the more of the next write the processor begins meanwhile.
      log.note(lane, place, came: line)
      writes.add(1)
      // A reader must not see the record before it is durable: that is what the crash after this line could take back.
      if !Mutant.putVisibleBeforeBarrier.isActive { try log.settle(lane) }
      unsafe publishPut(key, place, line: line, lines: lines, extent: extent, lane: lane)
      if Mutant.putVisibleBeforeBarrier.isActive { try log.settle(lane) }
    }
  }

  /// The same for a value in an extent.
  @unsafe
  @inline(never)
  private func putLocked(
    _ key: UnsafeRawBufferPointer, _ extent: ExtentReference, place: Index.Place
  ) throws(StoreError) {
    try unsafe extent.withEncoded { (reference) throws(StoreError) in
      try unsafe putLocked(key, reference, extent: extent, place: place)
    }
  }

  /// The same for any value; where it goes to an extent, that is written first.
  @unsafe
  func putAnyLocked(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, place: Index.Place
  ) throws(StoreError) {
    if isExtent(keyLength: key.count, valueLength: value.count) {
      let extent = try unsafe writeExtent(value)
      try referring(to: extent) { () throws(StoreError) in try unsafe putLocked(key, extent, place: place) }
    } else {
      try unsafe putLocked(key, value, extent: nil, place: place)
    }
  }

  /// Makes a durable put visible, and what it replaces dead.
  ///
  /// - Parameters:
  ///   - line: where its record is, of `lines` lines.
  ///   - extent: the extent that the record refers to, if it does.
  @unsafe
  @inline(__always)
  func publishPut(
    _ key: UnsafeRawBufferPointer, _ place: Index.Place, line: Int, lines: Int, extent: ExtentReference?, lane: Int
  ) {
    var live = lines
    if let extent {
      countLive(extent)
      live &+= log.extentLines(bytes: extent.length)
    }
    let spot = index.spot(place, matches: { unsafe log.record(atLine: $0, hasKey: key) })
    if let spot, let old = spot.line {
      return replace(place, (spot.position, old), line: line, live: live, lane: lane)
    }
    if let existing = unreadable(place, keyLength: key.count) {
      return replace(place, existing, line: line, live: live, lane: lane)
    }
    index.insert(place, at: spot?.position ?? index.positionForNew(place), line: line)
    unsafe log[lane].pointee.count(keys: 1, liveLines: live)
  }

  @inline(__always)
  private func replace(
    _ place: Index.Place, _ existing: (position: Int, line: Int), line: Int, live: Int, lane: Int
  ) {
    index.replace(place, at: existing.position, line: line)
    countGone(place, line: existing.line, keys: 0, live: live, lane: lane)
  }

  /// Counts an extent, which was dead until something referred to it.
  @inline(never)
  private func countLive(_ extent: ExtentReference) {
    let segment = superblock.geometry.segment(at: extent.offset)
    log.segments.addDead(-log.extentLines(bytes: extent.length), segment: segment)
    log.segments.addPending(-1, segment: segment)
  }

  /// Runs `body`, which publishes a record that refers to `extent`; where it is refused, nothing will refer to that.
  @inline(__always)
  func referring<R>(to extent: ExtentReference?, _ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    do throws(StoreError) {
      return try body()
    } catch {
      if let extent { log.abandon(extent) }
      throw error
    }
  }

  /// Appends a tombstone, makes it durable, takes the key out; whether it was there.
  @unsafe
  func deleteLocked(_ key: UnsafeRawBufferPointer, place: Index.Place) throws(StoreError) -> Bool {
    try lifecycle.check()
    guard
      let existing = index.position(place, matches: { unsafe log.record(atLine: $0, hasKey: key) })
        ?? unreadable(place, keyLength: key.count)
    else {
      try checkAbsence(place, keyLength: key.count)
      return false
    }
    let lines = Record.lines(keyLength: key.count, valueLength: 0)
    let lane = try poisoning { () throws(StoreError) in
      try log.acquireLane(bytes: lines * lineSize, purpose: .delete)
    }
    defer { log.release(lane) }
    try poisoning { () throws(StoreError) in
      let offset = try unsafe log.append(
        lane, kind: .delete, sequence: log.takeSequence(), key: key,
        value: UnsafeRawBufferPointer(start: nil, count: 0),
        site: .tombstone)
      writes.add(1)
      // Absent before the tombstone is durable would be absent before the crash and present after it.
      if !Mutant.deleteVisibleBeforeBarrier.isActive { try log.settle(lane) }
      publishDelete(place, existing: existing, tombstoneOffset: offset, tombstoneLines: lines, lane: lane)
      if Mutant.deleteVisibleBeforeBarrier.isActive { try log.settle(lane) }
    }
    return true
  }

  /// Makes a durable delete visible, and what it takes out dead.
  @inline(__always)
  func publishDelete(
    _ place: Index.Place, existing: (position: Int, line: Int), tombstoneOffset: Int, tombstoneLines: Int, lane: Int
  ) {
    index.remove(place, at: existing.position)
    countGone(place, line: existing.line, keys: -1, live: 0, lane: lane)
    countDead(tombstone: tombstoneOffset, lines: tombstoneLines, lane: lane)
  }

  /// A tombstone is nobody's record: it is kept as long as the checkpoints need it.
  @inline(__always)
  func countDead(tombstone offset: Int, lines: Int, lane: Int) {
    log.segments.addDead(lines, segment: superblock.geometry.segment(at: offset), lane: lane)
  }

  /// Counts a record that its key needs no more, and notes that; `keys` and `live` are what comes in its stead.
  @inline(__always)
  private func countGone(_ place: Index.Place, line: Int, keys: Int, live: Int, lane: Int) {
    let old = log.footprint(ofRecordAtLine: line)
    unsafe log[lane].pointee.count(keys: keys, liveLines: live &- old.totalLines)
    log.note(lane, place, gone: line)
    log.segments.addDead(old.lines, segment: superblock.geometry.segment(at: line &* lineSize), lane: lane)
    if old.extentLines > 0 { log.segments.addDead(old.extentLines, segment: old.extentSegment) }
  }

  // MARK: What every write begins with

  /// - Throws: ``StoreError/readOnly``, or why the store cannot be used.
  @inline(__always)
  func checkWritable() throws(StoreError) {
    try lifecycle.check()
    if access == .readOnly { throw .readOnly }
  }

  /// Checks that the store may be written, and persists what was deferred before, so that this write comes after it.
  @inline(__always)
  func beginWrite() throws(StoreError) {
    try checkWritable()
    if deferredWrites.count.load(ordering: .acquiring) > 0, !Mutant.writeOvertakesDeferred.isActive {
      try persistDeferred()
    }
  }

  /// Sees to what a write makes due. The caller holds nothing.
  @inline(__always)
  func endWrite() {
    if log.tailBytes.value >= maintenance.due.load(ordering: .relaxed) { maintenance.tailIsLong() }
  }

  /// Takes the partition's lock, and makes the partition resident.
  @inline(__always)
  func lockPartition(_ partition: Int) throws(StoreError) -> WriterLock {
    let lock = index.lock(partition)
    lock.lock()
    if !index.isResident(partition) { try loadLocked(partition) }
    return lock
  }

  /// Makes a partition resident that is locked; where that fails it is locked no more.
  @inline(never)
  private func loadLocked(_ partition: Int) throws(StoreError) {
    do throws(StoreError) {
      try lifecycle.check()
      try loader.load(partition)
    } catch {
      index.lock(partition).unlock()
      throw error
    }
  }

  /// Runs `body`, and again after maintenance made room where the store is full. The caller holds nothing.
  ///
  /// - Throws: ``StoreError/full`` where there is no room to be made.
  @inline(__always)
  func makingRoom<R>(
    for purpose: Space.Purpose = .put, _ body: () throws(StoreError) -> R
  ) throws(StoreError) -> R {
    do throws(StoreError) {
      return try body()
    } catch {
      guard error == .full else { throw error }
      return try makingRoomSlowly(for: purpose, body)
    }
  }

  @inline(never)
  private func makingRoomSlowly<R>(
    for purpose: Space.Purpose, _ body: () throws(StoreError) -> R
  ) throws(StoreError) -> R {
    // What a refused attempt leaves behind is room again for the next: without an end it could go on like that. A delete
    // does not give up as long as what is coming back waits for readers.
    for attempt in 0..<(purpose == .delete ? 400 : 16) {
      let hasGained = try maintenance.makeRoom(for: purpose, isFirst: attempt == 0)
      do throws(StoreError) {
        // Even where no segment was gained: copies leave room in theirs, which tombstones may use.
        return try body()
      } catch {
        guard error == .full, hasGained || (purpose == .delete && attempt < 100) else { throw error }
      }
      if attempt > 4 { sleepFor(microseconds: 100) }
    }
    throw .full
  }

  /// Whether a value is kept in an extent, not in its record.
  @inline(__always)
  func isExtent(keyLength: Int, valueLength: Int) -> Bool {
    valueLength >= superblock.geometry.extentThreshold
      || Record.headerBytes &+ keyLength &+ valueLength > superblock.geometry.recordBytesPerSegment &- lineSize
  }

  /// Writes an extent with the value, durable on return.
  @unsafe
  private func writeExtent(_ value: UnsafeRawBufferPointer) throws(StoreError) -> ExtentReference {
    try poisoning { () throws(StoreError) in
      try holdingOpen { () throws(StoreError) in
        let written = try unsafe log.writeExtent(value)
        // Durable before the record that refers to it: recovery takes the record's word and does not read the extent.
        try medium.barrier(written.range, site: .extent)
        return written.reference
      }
    }
  }

  /// Runs `body` while the region cannot be unmapped: a close waits for it. For writes that hold no partition.
  func holdingOpen<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    return try body()
  }

  /// Runs `body`; an error of the medium poisons the store. Refusals, such as a full store, do not.
  @inline(__always)
  func poisoning<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    do throws(StoreError) {
      return try body()
    } catch {
      switch error {
      case .outcomeUnknown, .deviceLost, .system: lifecycle.poison(error)
      default: break
      }
      throw error
    }
  }
}
