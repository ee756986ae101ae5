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
  private struct Planned {
    var operation: OperationBuffer.Operation
    var place: Index.Place
    var extent: ExtentReference?
    var valueLength: Int
    var lines: Int
    var offset = 0
  }

  private func commit(_ buffer: OperationBuffer, isAtomic: Bool) throws(StoreError) {
    try unsafe buffer.bytes.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
      var planned = try holdingOpen { () throws(StoreError) in try unsafe plan(buffer, bytes) }
      guard !planned.isEmpty else { return }
      let partitions = Set(planned.map(\.place.partition)).sorted()
      // In ascending order, as every writer of several keys takes them: nobody waits in a circle.
      var locked = 0
      defer { for partition in partitions.prefix(locked) { index.lock(partition).unlock() } }
      do throws(StoreError) {
        for partition in partitions {
          try lockPartition(partition)
          locked += 1
        }
        try lifecycle.check()
      } catch {
        for item in planned { if let extent = item.extent { log.abandon(extent) } }
        throw error
      }
      if planned.allSatisfy({ $0.operation.kind == .delete }) {
        // A tombstone for an absent key would use up room that a present one is promised.
        planned.removeAll { item in
          index.position(
            item.place,
            matches: {
              unsafe log.record(atLine: $0, hasKey: UnsafeRawBufferPointer(rebasing: bytes[item.operation.key]))
            })
            == nil && unreadable(item.place, keyLength: item.operation.key.count) == nil
        }
        if !medium.isWhole { try checkPresence() }
        guard !planned.isEmpty else { return }
      }
      do throws(StoreError) {
        try unsafe appendAndPublish(&planned, bytes, isAtomic: isAtomic)
      } catch {
        for item in planned { if let extent = item.extent { log.abandon(extent) } }
        // What is set aside for tombstones has no room for a batch's headers, and is used up one tombstone at a time.
        guard error == .full, !isAtomic, planned.allSatisfy({ $0.operation.kind == .delete }) else { throw error }
        for item in planned {
          _ = try unsafe deleteLocked(UnsafeRawBufferPointer(rebasing: bytes[item.operation.key]), place: item.place)
        }
      }
    }
  }

  /// Validates the operations and writes their extents, durable on return.
  @unsafe
  private func plan(_ buffer: OperationBuffer, _ bytes: UnsafeRawBufferPointer) throws(StoreError) -> [Planned] {
    let operations = buffer.operations
    for operation in operations {
      try limits.checkKey(operation.key.count)
      try limits.checkValue(operation.value.count)
    }
    var planned: [Planned] = []
    planned.reserveCapacity(operations.count)
    var extents: Range<Int>?
    var total = 0
    for operation in operations {
      let key = unsafe UnsafeRawBufferPointer(rebasing: bytes[operation.key])
      var item = unsafe Planned(
        operation: operation, place: index.place(log.hash(key)), valueLength: operation.value.count, lines: 0)
      if isExtent(keyLength: key.count, valueLength: item.valueLength) {
        item.valueLength = ExtentReference.encodedBytes
        total += log.extentLines(bytes: operation.value.count)
      }
      item.lines = Record.lines(keyLength: key.count, valueLength: item.valueLength)
      total += item.lines
      planned.append(item)
    }
    guard total <= superblock.geometry.segmentCount * superblock.geometry.recordLinesPerSegment else {
      throw .batchTooLarge(operations: operations.count)
    }
    // Durable before the records that refer to them, as for a single put; and in case of an error, so that no operation
    // leaves anything in flight behind it.
    var failure: StoreError?
    for index in planned.indices where planned[index].valueLength != operations[index].value.count {
      let value = unsafe UnsafeRawBufferPointer(rebasing: bytes[operations[index].value])
      do throws(StoreError) {
        let written = try poisoning { () throws(StoreError) in try unsafe log.writeExtent(value) }
        planned[index].extent = written.reference
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
      for item in planned { if let extent = item.extent { log.abandon(extent) } }
      throw failure
    }
    return planned
  }

  /// The caller holds the partitions of all operations.
  @unsafe
  private func appendAndPublish(
    _ planned: inout [Planned], _ bytes: UnsafeRawBufferPointer, isAtomic: Bool
  ) throws(StoreError) {
    let lane = log.acquireLane()
    defer { log.release(lane) }
    let parts = try reserve(lane, planned, isAtomic: isAtomic)
    // From here on nothing can be refused any more: all room is ours.
    let first = log.takeSequence(UInt64(planned.count))
    try poisoning { () throws(StoreError) in
      var next = 0
      for (number, part) in parts.enumerated() {
        if let segment = part.segment { try log.openSegment(lane, segment, baseSequence: first - 1) }
        if isAtomic {
          let fragment = BatchFragment(
            sequence: first, total: planned.count, first: next, count: part.count)
          let offset = try unsafe log.append(
            lane, kind: .batch, sequence: first, keyLength: 0, valueLength: BatchFragment.encodedBytes,
            site: .batchHeader, fill: { unsafe fragment.encode(to: $0) })
          log.segments.addDead(1, segment: superblock.geometry.segment(at: offset))
        } else if number > 0 {
          // Deferred writes survive as a prefix: what an earlier segment holds is durable before a later one begins.
          try log.settle(lane, site: .deferredPart)
        }
        for position in next..<next + part.count {
          try unsafe append(&planned[position], bytes, lane: lane, sequence: first + UInt64(position))
        }
        next += part.count
      }
      // One barrier for all. Nothing is visible before it: a reader could otherwise see half a batch that a crash undoes.
      if Mutant.batchVisibleBeforeBarrier.isActive { for item in planned { unsafe publish(item, bytes, lane: lane) } }
      try log.settle(lane)
      if Mutant.batchVisibleBeforeBarrier.isActive { return }
      for item in planned { unsafe publish(item, bytes, lane: lane) }
    }
  }

  @unsafe
  private func append(
    _ item: inout Planned, _ bytes: UnsafeRawBufferPointer, lane: Int, sequence: UInt64
  ) throws(StoreError) {
    let operation = item.operation
    let extent = item.extent
    let kind: RecordKind = operation.kind == .delete ? .delete : extent == nil ? .put : .putExtent
    item.offset = try unsafe log.append(
      lane, kind: kind, sequence: sequence, keyLength: operation.key.count, valueLength: item.valueLength
    ) { body in
      unsafe body.copyMemory(from: bytes.baseAddress! + operation.key.lowerBound, byteCount: operation.key.count)
      if let extent {
        unsafe extent.encode(to: body + operation.key.count)
      } else {
        unsafe (body + operation.key.count).copyMemory(
          from: bytes.baseAddress! + operation.value.lowerBound, byteCount: operation.value.count)
      }
    }
  }

  @unsafe
  private func publish(_ item: Planned, _ bytes: UnsafeRawBufferPointer, lane: Int) {
    let key = unsafe UnsafeRawBufferPointer(rebasing: bytes[item.operation.key])
    let existing =
      index.position(item.place, matches: { unsafe log.record(atLine: $0, hasKey: key) })
      ?? unreadable(item.place, keyLength: key.count)
    if item.operation.kind == .delete {
      publishDelete(
        item.place, existing: existing, tombstoneOffset: item.offset, tombstoneLines: item.lines, lane: lane)
    } else {
      publishPut(
        item.place, line: item.offset / lineSize, lines: item.lines, extent: item.extent, existing: existing, lane: lane
      )
    }
  }

  // MARK: Room for a commit

  /// Where some of a commit's records go: `count` of them, in the open segment (`segment` is `nil`) or in a fresh one.
  private struct Part {
    var segment: Int?
    var count = 0
  }

  /// Finds room for all records: all or nothing.
  private func reserve(_ lane: Int, _ planned: [Planned], isAtomic: Bool) throws(StoreError) -> [Part] {
    let header = isAtomic ? 1 : 0
    // An earlier owner's open segment before a fresh one: owners that come and go would each leave one more behind.
    if let first = planned.first {
      try poisoning { () throws(StoreError) in
        try log.resumePartial(lane, bytes: (header + first.lines) * lineSize)
      }
    }
    var parts = [Part()]
    var room = log.hasRoom(lane, bytes: lineSize) ? unsafe log[lane].pointee.room / lineSize - header : 0
    for item in planned {
      if item.lines > room {
        parts.append(Part())
        room = superblock.geometry.recordLinesPerSegment - header
      }
      room -= item.lines
      parts[parts.count - 1].count += 1
    }
    let usesOpenSegment = parts[0].count > 0
    if !usesOpenSegment { parts.removeFirst() }
    let fresh = usesOpenSegment ? parts.dropFirst().indices : parts.indices
    guard !fresh.isEmpty else { return parts }
    guard let segments = log.space.take(fresh.count, purpose: .put) else { throw .full }
    for (part, segment) in zip(fresh, segments) { parts[part].segment = segment }
    return parts
  }
}
