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
    if batch.count > 0 { endWrite() }
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

  // MARK: Commit

  /// An operation with all that is worked out before anything is locked.
  @unsafe
  private struct Planned {
    var isDelete: Bool
    var key: UnsafeRawBufferPointer
    var value: UnsafeRawBufferPointer
    var place: Index.Place
    var extent: ExtentReference?
    var needsExtent: Bool
    var lines: Int
    var offset = 0
  }

  private func commit(_ buffer: OperationBuffer, isAtomic: Bool) throws(StoreError) {
    try unsafe buffer.withBytes { (bytes) throws(StoreError) in
      var planned = try unsafe holdingOpen { () throws(StoreError) in try unsafe plan(buffer, bytes) }
      guard unsafe !planned.isEmpty else { return }
      let partitions = unsafe partitions(of: planned)
      // In ascending order, as every writer of several keys takes them: nobody waits in a circle.
      var locked = 0
      defer { for partition in partitions.prefix(locked) { index.lock(partition).unlock() } }
      do throws(StoreError) {
        for partition in partitions {
          _ = try lockPartition(partition)
          locked += 1
        }
        try lifecycle.check()
      } catch {
        unsafe abandonExtents(of: planned)
        throw error
      }
      // The records that will be replaced are looked at later: all that are not in a cache are waited for together.
      for item in unsafe planned.indices {
        let slot = unsafe index.findAtHome(planned[item].place)
        if slot.isOccupied { log.prefetch(line: slot.line) }
      }
      if unsafe planned.allSatisfy({ unsafe $0.isDelete }) {
        // A tombstone for an absent key would use up room that a present one is promised.
        unsafe planned.removeAll { item in
          unsafe index.position(item.place, matches: { unsafe log.record(atLine: $0, hasKey: item.key) }) == nil
            && unreadable(item.place, keyLength: item.key.count) == nil
        }
        if !medium.isWhole { try checkPresence() }
        guard unsafe !planned.isEmpty else { return }
      }
      do throws(StoreError) {
        try unsafe appendAndPublish(&planned, isAtomic: isAtomic)
      } catch {
        unsafe abandonExtents(of: planned)
        // What is set aside for tombstones has no room for a batch's headers, and is used up one tombstone at a time.
        guard error == .full, !isAtomic, unsafe planned.allSatisfy({ unsafe $0.isDelete }) else { throw error }
        for item in unsafe planned.indices {
          _ = try unsafe deleteLocked(planned[item].key, place: planned[item].place)
        }
      }
    }
  }

  /// The partitions of the operations, ascending, each once.
  @unsafe
  private func partitions(of planned: [Planned]) -> [Int] {
    var partitions = unsafe planned.map { unsafe $0.place.partition }
    partitions.sort()
    var count = 0
    for partition in partitions where count == 0 || partitions[count - 1] != partition {
      partitions[count] = partition
      count += 1
    }
    partitions.removeLast(partitions.count - count)
    return partitions
  }

  /// Validates the operations and writes their extents, durable on return.
  @unsafe
  private func plan(_ buffer: OperationBuffer, _ bytes: UnsafeRawBufferPointer) throws(StoreError) -> [Planned] {
    var planned: [Planned] = unsafe []
    unsafe planned.reserveCapacity(buffer.count)
    var total = 0
    try unsafe buffer.forEach(in: bytes) { (operation) throws(StoreError) in
      try limits.checkKey(operation.key.count)
      try limits.checkValue(operation.value.count)
      let key = unsafe UnsafeRawBufferPointer(rebasing: bytes[operation.key])
      let place = unsafe index.place(log.hash(key))
      // By the time of the first search all lines of the index are here, or on their way.
      index.prefetch(place)
      var valueLength = operation.value.count
      let needsExtent = isExtent(keyLength: key.count, valueLength: valueLength)
      if needsExtent {
        total += log.extentLines(bytes: valueLength)
        valueLength = ExtentReference.encodedBytes
      }
      let lines = Record.lines(keyLength: key.count, valueLength: valueLength)
      total += lines
      unsafe planned.append(
        Planned(
          isDelete: operation.kind == .delete, key: key,
          value: UnsafeRawBufferPointer(rebasing: bytes[operation.value]), place: place, needsExtent: needsExtent,
          lines: lines))
    }
    guard total <= superblock.geometry.segmentCount * superblock.geometry.recordLinesPerSegment else {
      throw .batchTooLarge(operations: buffer.count)
    }
    try unsafe writeExtents(of: &planned)
    return unsafe planned
  }

  /// Writes the extents of all values that need one.
  ///
  /// Durable before the records that refer to them, as for a single put; and in case of an error, so that no operation
  /// leaves anything in flight behind it.
  @unsafe
  private func writeExtents(of planned: inout [Planned]) throws(StoreError) {
    var extents: Range<Int>?
    var failure: StoreError?
    for index in unsafe planned.indices where unsafe planned[index].needsExtent {
      do throws(StoreError) {
        let value = unsafe planned[index].value
        let written = try poisoning { () throws(StoreError) in try unsafe log.writeExtent(value) }
        unsafe planned[index].extent = written.reference
        if Mutant.barrierOfLastExtent.isActive { extents = nil }
        extents =
          extents.map {
            min($0.lowerBound, written.range.lowerBound)..<max($0.upperBound, written.range.upperBound)
          } ?? written.range
      } catch {
        failure = error
        break
      }
    }
    if let extents { try poisoning { () throws(StoreError) in try medium.barrier(extents, site: .batchExtents) } }
    if let failure {
      unsafe abandonExtents(of: planned)
      throw failure
    }
  }

  /// Nothing will refer to the extents that were written.
  @unsafe
  private func abandonExtents(of planned: [Planned]) {
    for item in unsafe planned.indices { if let extent = unsafe planned[item].extent { log.abandon(extent) } }
  }

  /// The caller holds the partitions of all operations.
  @unsafe
  private func appendAndPublish(_ planned: inout [Planned], isAtomic: Bool) throws(StoreError) {
    let lane = log.acquireLane()
    defer { log.release(lane) }
    let parts = try unsafe reserve(lane, planned, isAtomic: isAtomic)
    // From here on nothing can be refused any more: all room is ours.
    let count = unsafe planned.count
    let first = log.takeSequence(UInt64(count))
    try poisoning { () throws(StoreError) in
      var next = 0
      for (number, part) in parts.enumerated() {
        if let segment = part.segment { try log.openSegment(lane, segment, baseSequence: first - 1) }
        if isAtomic {
          let fragment = BatchFragment(
            sequence: first, total: count, first: next, count: part.count)
          let offset = try unsafe fragment.withEncoded { (content) throws(StoreError) in
            try unsafe log.append(
              lane, kind: .batch, sequence: first, key: UnsafeRawBufferPointer(start: nil, count: 0), value: content,
              site: .batchHeader)
          }
          log.segments.addDead(1, segment: superblock.geometry.segment(at: offset))
        } else if number > 0 {
          // Deferred writes survive as a prefix: what an earlier segment holds is durable before a later one begins.
          try log.settle(lane, site: .deferredPart)
        }
        for position in next..<next + part.count {
          try unsafe append(&planned[position], lane: lane, sequence: first + UInt64(position))
        }
        next += part.count
      }
      // One barrier for all. Nothing is visible before it: a reader could otherwise see half a batch that a crash undoes.
      if Mutant.batchVisibleBeforeBarrier.isActive {
        for item in unsafe planned.indices { unsafe publish(planned[item], lane: lane) }
      }
      try log.settle(lane)
      if Mutant.batchVisibleBeforeBarrier.isActive { return }
      for item in unsafe planned.indices { unsafe publish(planned[item], lane: lane) }
    }
  }

  @unsafe
  private func append(_ item: inout Planned, lane: Int, sequence: UInt64) throws(StoreError) {
    if let extent = unsafe item.extent {
      let key = unsafe item.key
      unsafe item.offset = try unsafe extent.withEncoded { (reference) throws(StoreError) in
        try unsafe log.append(lane, kind: .putExtent, sequence: sequence, key: key, value: reference)
      }
    } else {
      unsafe item.offset = try unsafe log.append(
        lane, kind: item.isDelete ? .delete : .put, sequence: sequence, key: item.key, value: item.value)
    }
  }

  @unsafe
  private func publish(_ item: Planned, lane: Int) {
    let key = unsafe item.key
    let place = unsafe item.place
    let existing =
      index.position(place, matches: { unsafe log.record(atLine: $0, hasKey: key) })
      ?? unreadable(place, keyLength: key.count)
    if unsafe item.isDelete {
      unsafe publishDelete(
        place, existing: existing, tombstoneOffset: item.offset, tombstoneLines: item.lines, lane: lane)
    } else {
      unsafe publishPut(
        place, line: item.offset / lineSize, lines: item.lines, extent: item.extent, existing: existing, lane: lane)
    }
  }

  // MARK: Room for a commit

  /// Where some of a commit's records go: `count` of them, in the open segment (`segment` is `nil`) or in a fresh one.
  private struct Part {
    var segment: Int?
    var count = 0
  }

  /// Finds room for all records: all or nothing.
  @unsafe
  private func reserve(_ lane: Int, _ planned: [Planned], isAtomic: Bool) throws(StoreError) -> [Part] {
    let header = isAtomic ? 1 : 0
    // An earlier owner's open segment before a fresh one: owners that come and go would each leave one more behind.
    if let lines = unsafe planned.first.map({ unsafe $0.lines }) {
      try poisoning { () throws(StoreError) in
        try log.resumePartial(lane, bytes: (header + lines) * lineSize)
      }
    }
    var parts = [Part()]
    var room = log.hasRoom(lane, bytes: lineSize) ? unsafe log[lane].pointee.room / lineSize - header : 0
    for item in unsafe planned.indices {
      let lines = unsafe planned[item].lines
      if lines > room {
        parts.append(Part())
        room = superblock.geometry.recordLinesPerSegment - header
      }
      room -= lines
      parts[parts.count - 1].count += 1
    }
    let usesOpenSegment = parts[0].count > 0
    if !usesOpenSegment { parts.removeFirst() }
    let fresh = usesOpenSegment ? parts.dropFirst().indices : parts.indices
    guard !fresh.isEmpty else { return parts }
    guard let segments = log.takeSegments(fresh.count) else { throw .full }
    for (part, segment) in zip(fresh, segments) { parts[part].segment = segment }
    return parts
  }
}
