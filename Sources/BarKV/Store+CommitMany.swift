/// How many operations become durable and visible under one barrier.
///
/// In passes over all operations, so that what each waits for in memory is waited for together: the lines of the index are
/// loaded while the operations are looked through, the records that they replace while partitions are locked; records are
/// put together side by side and go out as one copy; then the barrier, and then the index.
extension Store {
  /// Commits the operations of `buffer`.
  ///
  /// - Parameter isAtomic: whether a crash is to leave all of them or none; else it leaves some of the first.
  func commit(_ buffer: borrowing OperationBuffer, isAtomic: Bool) throws(StoreError) {
    guard !buffer.isEmpty else { return }
    let plan = unsafe commitPlans.take()
    defer { unsafe commitPlans.giveBack(plan) }
    try unsafe buffer.withBytes { (bytes) throws(StoreError) in
      try holdingOpen { () throws(StoreError) in
        unsafe plan.pointee.reserve(buffer.count)
        try unsafe prepare(&plan.pointee, buffer, bytes)
      }
      try unsafe lockPartitions(of: &plan.pointee)
      defer { unsafe unlockPartitions(of: plan.pointee, plan.pointee.partitionCount) }
      unsafe lookAhead(plan.pointee)
      if unsafe plan.pointee.putCount == 0 {
        // A tombstone for an absent key would use up room that a present one is promised.
        unsafe plan.pointee.removeAll { item in
          unsafe index.position(item.place, matches: { unsafe log.record(atLine: $0, hasKey: item.keyBytes) }) == nil
            && unreadable(item.place, keyLength: Int(item.keyLength)) == nil
        }
        if !medium.isWhole { try checkPresence() }
        guard unsafe plan.pointee.count > 0 else { return }
      }
      do throws(StoreError) {
        try unsafe appendAndPublish(&plan.pointee, isAtomic: isAtomic)
      } catch {
        unsafe abandonExtents(of: plan.pointee)
        // What is set aside for tombstones has no room for a batch's headers, and is used up one tombstone at a time.
        guard unsafe error == .full && !isAtomic && plan.pointee.putCount == 0 else { throw error }
        for position in unsafe 0..<plan.pointee.count {
          let item = unsafe plan.pointee.items[position]
          _ = try unsafe deleteLocked(item.keyBytes, place: item.place)
        }
      }
    }
  }

  // MARK: Preparing

  /// Validates the operations and writes their extents, durable on return.
  @unsafe
  private func prepare(
    _ plan: inout CommitPlan, _ buffer: borrowing OperationBuffer, _ bytes: UnsafeRawBufferPointer
  ) throws(StoreError) {
    var extentLines = 0
    try unsafe buffer.forEach(in: bytes) { (operation) throws(StoreError) in
      try limits.checkKey(operation.key.count)
      try limits.checkValue(operation.value.count)
      let key = unsafe UnsafeRawBufferPointer(rebasing: bytes[operation.key])
      let place = unsafe index.place(log.hash(key))
      // By the time of the first search all lines of the index are here, or on their way.
      index.prefetch(place)
      index.prefetchLock(place.partition)
      var valueLength = operation.value.count
      let needsExtent = isExtent(keyLength: key.count, valueLength: valueLength)
      if needsExtent {
        extentLines += log.extentLines(bytes: valueLength)
        valueLength = ExtentReference.encodedBytes
      }
      let lines = Record.lines(keyLength: key.count, valueLength: valueLength)
      plan.lines &+= lines
      if operation.kind == .put { plan.putCount &+= 1 }
      unsafe plan.append(
        CommitPlan.Item(
          key: key.baseAddress.unsafelyUnwrapped, keyLength: UInt32(truncatingIfNeeded: key.count),
          valueLength: UInt32(truncatingIfNeeded: operation.value.count),
          partition: UInt32(truncatingIfNeeded: place.partition), fragment: UInt32(truncatingIfNeeded: place.fragment),
          lines: UInt32(truncatingIfNeeded: lines),
          extent: needsExtent ? CommitPlan.Item.unwritten : CommitPlan.Item.inRecord,
          isDelete: operation.kind == .delete))
    }
    let room = superblock.geometry.segmentCount * superblock.geometry.recordLinesPerSegment
    guard plan.lines + extentLines <= room else { throw .batchTooLarge(operations: buffer.count) }
    if extentLines > 0 { try unsafe writeExtents(of: &plan) }
    plan.listPartitions()
  }

  /// Writes the extents of all values that need one.
  ///
  /// Durable before the records that refer to them, as for a single put; and in case of an error, so that no operation
  /// leaves anything in flight behind it.
  @unsafe
  private func writeExtents(of plan: inout CommitPlan) throws(StoreError) {
    var extents: Range<Int>?
    var failure: StoreError?
    for position in 0..<plan.count where unsafe plan.items[position].extent == CommitPlan.Item.unwritten {
      do throws(StoreError) {
        let value = unsafe plan.items[position].valueBytes
        let written = try poisoning { () throws(StoreError) in try unsafe log.writeExtent(value) }
        unsafe plan.items[position].extent = Int32(truncatingIfNeeded: plan.extents.count)
        plan.extents.append(written.reference)
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
      abandonExtents(of: plan)
      throw failure
    }
  }

  /// Nothing will refer to the extents that were written.
  private func abandonExtents(of plan: borrowing CommitPlan) {
    for extent in plan.extents { log.abandon(extent) }
  }

  // MARK: Locking

  /// Locks the partitions of all operations, in ascending order, as every writer of several keys takes them: nobody waits in
  /// a circle.
  private func lockPartitions(of plan: inout CommitPlan) throws(StoreError) {
    var locked = 0
    do throws(StoreError) {
      while locked < plan.partitionCount {
        _ = try lockPartition(unsafe Int(plan.partitions[locked]))
        locked &+= 1
      }
      try lifecycle.check()
    } catch {
      unlockPartitions(of: plan, locked)
      abandonExtents(of: plan)
      throw error
    }
  }

  /// Unlocks the first `count` of them.
  private func unlockPartitions(of plan: borrowing CommitPlan, _ count: Int) {
    for position in 0..<count { index.lock(unsafe Int(plan.partitions[position])).unlock() }
  }

  /// Loads what the searches will look at: the records that will be replaced, and the buckets behind those that are full.
  /// All that are not in a cache are waited for together.
  private func lookAhead(_ plan: borrowing CommitPlan) {
    for position in 0..<plan.count {
      let place = unsafe plan.items[position].place
      let slot = index.findAtHome(place)
      if slot.isOccupied {
        log.prefetch(line: slot.line)
      } else if slot == .vacated {
        index.prefetchNext(place)
      }
    }
  }

  // MARK: Appending and publishing: the caller holds the partitions of all operations

  private func appendAndPublish(_ plan: inout CommitPlan, isAtomic: Bool) throws(StoreError) {
    let lane = log.acquireLane()
    defer { log.release(lane) }
    // Most find room in the open segment.
    let fits = log.hasRoom(lane, bytes: (plan.lines &+ (isAtomic ? 1 : 0)) &* lineSize)
    let parts = fits ? [] : try reserve(lane, plan, isAtomic: isAtomic)
    // From here on nothing can be refused any more: all room is ours.
    let first = log.takeSequence(UInt64(plan.count))
    try poisoning { () throws(StoreError) in
      if fits {
        try append(plan, 0..<plan.count, lane: lane, sequence: first, isAtomic: isAtomic)
      } else {
        try append(plan, parts, lane: lane, sequence: first, isAtomic: isAtomic)
      }
      // One barrier for all. Nothing is visible before it: a reader could otherwise see half a batch that a crash undoes.
      if Mutant.batchVisibleBeforeBarrier.isActive { publish(plan, lane: lane) }
      try log.settle(lane)
      if Mutant.batchVisibleBeforeBarrier.isActive { return }
      publish(plan, lane: lane)
    }
  }

  /// Appends the records of all parts.
  @inline(never)
  private func append(
    _ plan: borrowing CommitPlan, _ parts: [Part], lane: Int, sequence: UInt64, isAtomic: Bool
  ) throws(StoreError) {
    var next = 0
    for (number, part) in parts.enumerated() {
      if let segment = part.segment { try log.openSegment(lane, segment, baseSequence: sequence - 1) }
      // Deferred writes survive as a prefix: what an earlier segment holds is durable before a later one begins.
      if !isAtomic, number > 0 { try log.settle(lane, site: .deferredPart) }
      try append(plan, next..<next + part.count, lane: lane, sequence: sequence, isAtomic: isAtomic)
      next += part.count
    }
  }

  /// Appends some of the records, side by side, which the open segment has room for.
  ///
  /// - Parameter sequence: the number of the plan's first operation.
  private func append(
    _ plan: borrowing CommitPlan, _ range: Range<Int>, lane: Int, sequence: UInt64, isAtomic: Bool
  ) throws(StoreError) {
    if isAtomic {
      let fragment = BatchFragment(
        sequence: sequence, total: plan.count, first: range.lowerBound, count: range.count)
      let offset = try unsafe fragment.withEncoded { (content) throws(StoreError) in
        try unsafe log.append(
          lane, kind: .batch, sequence: sequence, key: UnsafeRawBufferPointer(start: nil, count: 0), value: content,
          site: .batchHeader)
      }
      log.segments.addDead(1, segment: superblock.geometry.segment(at: offset), lane: lane)
    }
    try log.append(lane, plan, range, sequence: sequence)
  }

  /// Makes all of a plan visible, in the order of its operations.
  private func publish(_ plan: borrowing CommitPlan, lane: Int) {
    for position in 0..<plan.count { unsafe publish(plan.items + position, plan, lane: lane) }
  }

  @unsafe
  @inline(__always)
  private func publish(_ item: UnsafeMutablePointer<CommitPlan.Item>, _ plan: borrowing CommitPlan, lane: Int) {
    let key = unsafe item.pointee.keyBytes
    let place = unsafe item.pointee.place
    if unsafe item.pointee.isDelete {
      let existing =
        index.position(place, matches: { unsafe log.record(atLine: $0, hasKey: key) })
        ?? unreadable(place, keyLength: key.count)
      let (offset, lines) = unsafe (item.pointee.offset, Int(item.pointee.lines))
      guard let existing else { return countDead(tombstone: offset, lines: lines, lane: lane) }
      publishDelete(place, existing: existing, tombstoneOffset: offset, tombstoneLines: lines, lane: lane)
    } else {
      let extent = unsafe item.pointee.extent >= 0 ? plan.extents[Int(item.pointee.extent)] : nil
      let line = unsafe item.pointee.offset >> lineSize.trailingZeroBitCount
      log.note(lane, place, came: line)
      unsafe publishPut(key, place, line: line, lines: Int(item.pointee.lines), extent: extent, lane: lane)
    }
  }

  // MARK: Room for a commit

  /// Where some of a commit's records go: `count` of them, in the open segment (`segment` is `nil`) or in a fresh one.
  private struct Part {
    var segment: Int?
    var count = 0
  }

  /// Finds room for all records: all or nothing.
  @inline(never)
  private func reserve(_ lane: Int, _ plan: borrowing CommitPlan, isAtomic: Bool) throws(StoreError) -> [Part] {
    let header = isAtomic ? 1 : 0
    // An earlier owner's open segment before a fresh one: owners that come and go would each leave one more behind.
    let firstLines = unsafe Int(plan.items[0].lines)
    try poisoning { () throws(StoreError) in
      try log.resumePartial(lane, bytes: (header + firstLines) * lineSize)
    }
    var parts = [Part()]
    var room = log.hasRoom(lane, bytes: lineSize) ? unsafe log[lane].pointee.room / lineSize - header : 0
    for position in 0..<plan.count {
      let lines = unsafe Int(plan.items[position].lines)
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
