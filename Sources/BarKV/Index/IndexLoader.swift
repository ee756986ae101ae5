import Synchronization

/// Fills partitions of the index from the runs and the log's tail, and takes tables away again where a budget asks for it.
final class IndexLoader: Sendable {
  /// What the index in the region is, and what lies over it; both change together.
  private struct Source {
    var runs: RunSet
    var tail: LogTail?
  }

  private let log: Log
  private let index: Index
  private let epochs: Epochs
  private let source: Locked<Source>
  /// The most bytes of tables.
  private let budget: Int
  /// Whether the warmer is at work, or will be soon.
  private let isWarming = Atomic<Bool>(false)
  /// Where the search for a table to take away goes on.
  private let hand = Locked(0)
  /// Called where the budget is exceeded by tables whose changes are in no run yet; partitions may be held then.
  let needsCheckpoint = Hook()

  init(log: Log, index: Index, epochs: Epochs, runs: RunSet, tail: LogTail?, budget: Int) {
    self.log = log
    self.index = index
    self.epochs = epochs
    self.budget = budget
    source = Locked(Source(runs: runs, tail: tail))
  }

  /// The runs in force.
  var runs: RunSet { source.withLock { $0.runs } }

  // MARK: Loading

  /// Whether a get that asks for a partition that is not resident should do without it: see ``find(_:matches:)``.
  ///
  /// The first one should: it is answered sooner, and what a budget keeps is what is read again. More of them should as long as the
  /// warmer is on its way, so that no get waits long right behind an opening; but for a key that is asked for again and again.
  func isBetterAside(_ partition: Int) -> Bool {
    index.countAsking(partition) < (isWarming.load(ordering: .relaxed) ? 8 : 1)
  }

  /// Makes a partition resident. The caller holds its lock, and it is not.
  ///
  /// - Throws: ``StoreError/damagedIndex(offset:)``, ``StoreError/deviceLost(_:)``.
  func load(_ partition: Int) throws(StoreError) {
    // The runs' segments are not used again under a reader.
    epochs.enter()
    defer { epochs.leave() }
    let source = source.withLock { $0 }
    var slots: [RunEntry]
    do throws(StoreError) {
      slots = try source.runs.slots(index.places(of: partition))
    } catch {
      if !log.medium.isWhole { try log.medium.checkPresence() }
      throw error
    }
    var items: [LogTail.Item] = []
    if let tail = source.tail {
      let content = tail.content(of: partition, index: index)
      items = content.items
      if !content.changes.isEmpty {
        slots = RunEntries.merge(newer: content.changes, older: slots, dropsGone: true)
      }
    }
    let table = index.makeTable(holding: slots.count + items.count)
    for slot in slots { table.add(slot.slot) }
    var usedSlots = slots.count
    if let tail = source.tail, !items.isEmpty {
      let changes = resolve(items, partition: partition, table: table, usedSlots: &usedSlots)
      if !log.medium.isWhole {
        do throws(StoreError) { try log.medium.checkPresence() } catch {
          index.discard(table)
          throw error
        }
      }
      tail.resolve(partition, changes)
    }
    // What the tail changed is kept there until a run has it, so the table may be taken away all the same.
    index.install(table, in: partition, usedSlots: usedSlots, hasVacated: !items.isEmpty, isChanged: false)
    if index.residentBytes > budget { keepBudget() }
  }

  /// The line of the record of the key at `place` that `matches` accepts, in a partition that is not resident and does not
  /// become so. The caller has begun a read before it saw that, so that nothing that is named here is used again.
  ///
  /// If the partition becomes resident meanwhile, and the key is written, this answers as before that write.
  ///
  /// - Throws: ``StoreError/damagedIndex(offset:)``.
  /// - Complexity: a block or two of each run, and the records of the tail that seem to be the key's: a few pages of the
  ///   region, where filling the partition touches a hundred.
  func find(_ place: Index.Place, matches: (Int) -> Bool) throws(StoreError) -> Int? {
    let source = source.withLock { $0 }
    var changes: [RunEntry] = []
    if let tail = source.tail, !Mutant.forgetsTail.isActive {
      let content = tail.content(of: place.partition, index: index)
      let newest = content.items.last {
        $0.fragment == place.fragment && matches($0.line)
          && !(Mutant.skipsTombstones.isActive && log.footprint(ofRecordAtLine: $0.line).isDelete)
      }
      if let newest { return log.footprint(ofRecordAtLine: newest.line).isDelete ? nil : newest.line }
      changes = content.changes.filter { $0.fragment == place.fragment }
    }
    let key = RunEntry.key(place)
    var slots = try source.runs.slots(key..<key + 1)
    if !changes.isEmpty { slots = RunEntries.merge(newer: changes, older: slots, dropsGone: true) }
    return slots.first { matches($0.line) }?.line
  }

  /// Finds out what a partition's records of the tail replaced, enters them, and accounts for both.
  private func resolve(
    _ items: [LogTail.Item], partition: Int, table: IndexTable, usedSlots: inout Int
  ) -> [RunEntry] {
    var changes: [RunEntry] = []
    for item in items {
      if Mutant.forgetsTail.isActive { continue }
      guard let key = unsafe log.key(ofRecordAtLine: item.line) else { continue }
      let place = Index.Place(partition: partition, fragment: item.fragment)
      let new = log.footprint(ofRecordAtLine: item.line)
      var existing: (position: Int, slot: IndexSlot)?
      if case .at(let position, let slot) = table.find(
        item.fragment, matches: { unsafe log.record(atLine: $0, hasKey: key) })
      {
        existing = (position, slot)
      }
      if let existing {
        if Mutant.lastReadWins.isActive, log.sequence(ofRecordAt: existing.slot.line * lineSize) ?? 0 < item.sequence {
          continue
        }
        changes.append(RunEntry(place, line: existing.slot.line, isGone: true))
        count(log.footprint(ofRecordAtLine: existing.slot.line), line: existing.slot.line, sign: -1)
      }
      if new.isDelete {
        if Mutant.skipsTombstones.isActive { continue }
        if let existing, table.vacate(existing.position) { usedSlots -= 1 }
        continue
      }
      changes.append(RunEntry(place, line: item.line, isGone: false))
      count(new, line: item.line, sign: 1)
      let slot = IndexSlot(fragment: item.fragment, line: item.line)
      if let existing {
        table.set(existing.position, slot)
      } else {
        let position = table.freePosition(item.fragment)
        if table.slot(position) == .empty { usedSlots += 1 }
        table.set(position, slot)
      }
    }
    RunEntries.settle(&changes)
    return changes
  }

  /// Counts a record, and its extent, as live, or no more.
  private func count(_ footprint: Log.Footprint, line: Int, sign: Int) {
    log.earlierKeys.wrappingAdd(sign, ordering: .relaxed)
    log.earlierLiveLines.wrappingAdd(sign * footprint.totalLines, ordering: .relaxed)
    log.segments.addDead(-sign * footprint.lines, segment: log.geometry.segment(at: line * lineSize))
    if footprint.extentLines > 0 {
      log.segments.addDead(-sign * footprint.extentLines, segment: footprint.extentSegment)
    }
  }

  /// Resolves what is left of the tail; whether all of it is. Nothing is held by the caller.
  @discardableResult
  func resolveTail(while goesOn: () -> Bool = { true }) -> Bool {
    guard let tail = source.withLock({ $0.tail }), !tail.isResolved else { return true }
    for partition in tail.partitions {
      guard goesOn() else { return false }
      index.lock(partition).lock()
      // A partition that is resident was resolved when it was loaded. What cannot be loaded is damaged, and said so to
      // whoever touches it.
      if !index.isResident(partition) { try? load(partition) }
      index.lock(partition).unlock()
    }
    return tail.isResolved
  }

  /// Whether the runs and the tail have so few entries that nothing is gained by leaving them for later.
  var isLittleLeft: Bool {
    source.withLock { $0.runs.entryCount + ($0.tail?.count ?? 0) <= 2048 }
  }

  /// Says that ``warm(while:)`` will be called.
  func willWarm() { isWarming.store(true, ordering: .relaxed) }

  /// Makes partitions resident, as many as the budget takes, as long as `goesOn` says so.
  func warm(while goesOn: () -> Bool) {
    defer { isWarming.store(false, ordering: .relaxed) }
    for partition in 0..<index.partitionCount {
      guard goesOn(), index.residentBytes < budget / 8 * 7 else { return }
      guard !index.isResident(partition) else { continue }
      index.lock(partition).lock()
      defer { index.lock(partition).unlock() }
      if !index.isResident(partition) { try? load(partition) }
    }
  }

  // MARK: Checkpoints

  /// The changes of the tail, which the next run takes over; all of it is resolved.
  func tailChanges() -> [RunEntry] { source.withLock { $0.tail }?.takeChanges() ?? [] }

  /// Puts other runs in force, which have everything up to the window `committed`, the tail included.
  func publish(_ runs: RunSet, committed: UInt64) {
    source.withLock { $0 = Source(runs: runs, tail: nil) }
    // After the runs: a table that goes now is filled from these.
    index.committedWindow.store(committed, ordering: .releasing)
  }

  /// Puts merged runs in force, which say the same.
  func publish(_ runs: RunSet) {
    source.withLock { $0.runs = runs }
  }

  // MARK: Budget

  /// Takes tables away until the budget is kept, or none is left whose changes are in the runs.
  ///
  /// - Parameter asks: whether to ask for a checkpoint where there are too many of those.
  func keepBudget(asks: Bool = true) {
    var tried = 0
    while index.residentBytes > budget, tried < index.partitionCount {
      tried += 1
      let partition = hand.withLock { hand in
        hand = (hand + 1) % index.partitionCount
        return hand
      }
      guard index.isResident(partition), index.lock(partition).tryLock() else { continue }
      _ = index.evict(partition)
      index.lock(partition).unlock()
    }
    if asks, index.residentBytes > budget { needsCheckpoint() }
  }

  /// Whether only a checkpoint can make room for more tables.
  var isOverBudget: Bool { index.residentBytes > budget }
}
