import CBarKV
import Synchronization

/// The index in memory: where each present key's newest durable record starts.
///
/// Hash partitions, each with a lock for writers and a table for everybody. A writer holds its partition's lock from the
/// moment it takes a sequence number until its record is durable and published, so that for each key the order of the
/// sequence, of the log and of visibility is one and the same. Readers take no lock: they load the table, then a slot,
/// each with one atomic load. A table that was outgrown is freed after the readers that may hold it have left.
///
/// The index knows records by line number only; who asks compares keys.
///
/// The place of the persistent runs: a partition that is not resident would be filled from the runs where
/// ``withPartition`` and ``find(_:matches:)`` load its table.
@safe
final class Index: @unchecked Sendable {
  // Safe to share: tables are atomic words, the partitions' counters are atomic, the rest is under the partition's lock.

  /// A partition's writer side: a line.
  struct Partition: ~Copyable {
    let lock = Atomic<UInt32>(0)
    /// Odd while a slot or the table changes; see ``snapshot(_:)``.
    let version = Atomic<UInt32>(0)
    let count = Atomic<Int>(0)
    let liveLines = Atomic<Int>(0)
    let tombstoneLines = Atomic<Int>(0)
    /// Slots that are not empty. Changed under the lock; atomic so that a change does not touch the partition as a whole,
    /// of which others hold the lock word.
    let usedSlots = Atomic<Int>(0)
    /// Fills the line, so that writers of neighbouring partitions do not meet.
    private let padding = (0, 0, 0)
  }

  /// A key's place: its partition and the fragment of its hash.
  struct Place: Equatable {
    var partition: Int
    var fragment: UInt64
  }

  let partitionCount: Int
  private let partitionShift: UInt64
  private let tables: UnsafeMutablePointer<Atomic<UInt64>>
  private let partitions: UnsafeMutablePointer<Partition>
  private let epochs: Epochs
  private let pool: TablePool

  /// - Parameters:
  ///   - regionBytes: decides the number of partitions: one for each 256 KiB, from 8 to 65,536.
  ///   - epochs: gives what it frees back to `pool`.
  init(regionBytes: Int, epochs: Epochs, pool: TablePool) {
    var bits: UInt64 = 3
    while bits < 16, regionBytes >> 18 >= 1 << (bits + 1) { bits += 1 }
    partitionCount = 1 << Int(bits)
    partitionShift = 64 - bits
    self.epochs = epochs
    self.pool = pool
    unsafe tables = .allocate(capacity: partitionCount)
    precondition(MemoryLayout<Partition>.stride == lineSize, "a partition is a line")
    let memory = UnsafeMutableRawPointer.allocate(byteCount: partitionCount * lineSize, alignment: lineSize)
    unsafe partitions = memory.bindMemory(to: Partition.self, capacity: partitionCount)
    for partition in 0..<partitionCount {
      unsafe (tables + partition).initialize(to: Atomic(IndexTable(bucketCount: 1, from: pool).word))
      unsafe (partitions + partition).initialize(to: Partition())
    }
  }

  deinit {
    for partition in 0..<partitionCount {
      unsafe pool.deallocate(table(partition).memory, bytes: table(partition).byteCount)
    }
    unsafe tables.deallocate()
    unsafe partitions.deinitialize(count: partitionCount)
    unsafe partitions.deallocate()
  }

  // MARK: Places and locks

  @inline(__always)
  func place(_ hash: UInt64) -> Place {
    Place(
      partition: Int(truncatingIfNeeded: hash &>> partitionShift),
      fragment: (hash &>> (partitionShift &- IndexSlot.fragmentBits)) & (1 << IndexSlot.fragmentBits - 1))
  }

  @inline(__always)
  func lock(_ partition: Int) -> WriterLock {
    assert(partition >= 0 && partition < partitionCount)
    // The lock is the partition's first field.
    let word = unsafe UnsafeMutableRawPointer(partitions + partition).assumingMemoryBound(to: Atomic<UInt32>.self)
    return unsafe WriterLock(word)
  }

  @inline(__always)
  private func table(_ partition: Int) -> IndexTable {
    assert(partition >= 0 && partition < partitionCount)
    return unsafe IndexTable(word: tables[partition].load(ordering: .acquiring))
  }

  /// Loads the line that a search for the key will look at first.
  @inline(__always)
  func prefetch(_ place: Place) {
    table(place.partition).prefetch(place.fragment)
  }

  // MARK: Reading

  /// The line of the record of the key at `place` that `matches` accepts. The caller is inside a read, or holds the
  /// partition's lock.
  @inline(__always)
  func find(_ place: Place, matches: (Int) -> Bool) -> Int? {
    table(place.partition).find(place.fragment, matches: matches)?.slot.line
  }

  /// What the home bucket has for a key: see ``IndexTable/findAtHome(_:)``. The caller is inside a read.
  @inline(__always)
  func findAtHome(_ place: Place) -> IndexSlot {
    table(place.partition).findAtHome(place.fragment)
  }

  /// The lines of all records in a partition at one moment. The caller is inside a read.
  func snapshot(_ partition: Int) -> [Int] {
    var lines: [Int] = []
    while true {
      let before = unsafe partitions[partition].version.load(ordering: .acquiring)
      if before & 1 == 0 {
        let table = table(partition)
        lines.removeAll(keepingCapacity: true)
        for position in 0..<table.slotCount {
          let slot = table.slot(position)
          if slot.isOccupied { lines.append(slot.line) }
        }
        atomicMemoryFence(ordering: .acquiring)
        if unsafe partitions[partition].version.load(ordering: .relaxed) == before { return lines }
      }
      barkv_pause()
    }
  }

  // MARK: Writing: the caller holds the partition's lock

  /// The position of the key's slot, and the line it names.
  @inline(__always)
  func position(_ place: Place, matches: (Int) -> Bool) -> (position: Int, line: Int)? {
    guard let found = table(place.partition).find(place.fragment, matches: matches) else { return nil }
    return (found.position, found.slot.line)
  }

  /// What a change does to a partition's figures.
  struct Change {
    var keys = 0
    var liveLines = 0
    var tombstoneLines = 0
  }

  /// Makes the slot at `position` name another record of its key.
  @inline(__always)
  func replace(_ place: Place, at position: Int, line: Int, change: Change) {
    changing(place.partition, change) {
      table(place.partition).set(position, IndexSlot(fragment: place.fragment, line: line))
    }
  }

  /// Adds a key that is absent.
  @inline(__always)
  func insert(_ place: Place, line: Int, change: Change) {
    var table = table(place.partition)
    if unsafe table.isCrowded(usedSlots: partitions[place.partition].usedSlots.load(ordering: .relaxed) &+ 1) {
      table = grow(place.partition)
    }
    changing(place.partition, change) {
      let position = table.freePosition(place.fragment)
      if table.slot(position) == .empty { unsafe Self.add(1, to: partitions[place.partition].usedSlots) }
      table.set(position, IndexSlot(fragment: place.fragment, line: line))
    }
  }

  /// Takes the key at `position` out.
  func remove(_ place: Place, at position: Int, change: Change) {
    let table = table(place.partition)
    changing(place.partition, change) {
      if table.mayEmpty(position) {
        table.set(position, .empty)
        unsafe Self.add(-1, to: partitions[place.partition].usedSlots)
      } else {
        table.set(position, .vacated)
      }
    }
  }

  /// Takes out every key of the partition whose record's line is `removable`; figures stay as they are.
  func removeAll(in partition: Int, where removable: (Int) -> Bool) {
    let table = table(partition)
    // From the back, so that emptied slots make room for emptying those before them.
    for position in (0..<table.slotCount).reversed() {
      let slot = table.slot(position)
      guard slot.isOccupied, removable(slot.line) else { continue }
      remove(Place(partition: partition, fragment: slot.fragment), at: position, change: Change())
    }
  }

  @inline(__always)
  private func changing(_ partition: Int, _ change: Change, _ body: () -> Void) {
    let state = unsafe partitions + partition
    let version = unsafe state.pointee.version.load(ordering: .relaxed)
    unsafe state.pointee.version.store(version &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
    body()
    // Figures have one writer at a time; atomic only for those who read them without the lock.
    Self.add(change.keys, to: unsafe state.pointee.count)
    Self.add(change.liveLines, to: unsafe state.pointee.liveLines)
    Self.add(change.tombstoneLines, to: unsafe state.pointee.tombstoneLines)
    unsafe state.pointee.version.store(version &+ 2, ordering: .releasing)
  }

  @inline(__always)
  private static func add(_ amount: Int, to counter: borrowing Atomic<Int>) {
    counter.store(counter.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  /// Replaces the partition's table by one with room, and without what was vacated.
  @inline(never)
  private func grow(_ partition: Int) -> IndexTable {
    let old = table(partition)
    let occupied = (0..<old.slotCount).count { old.slot($0).isOccupied }
    let new = IndexTable(roomFor: occupied, from: pool)
    new.fill(from: old)
    let state = unsafe partitions + partition
    let version = unsafe state.pointee.version.load(ordering: .relaxed)
    unsafe state.pointee.version.store(version &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
    unsafe tables[partition].store(new.word, ordering: .releasing)
    unsafe state.pointee.usedSlots.store(occupied, ordering: .relaxed)
    unsafe state.pointee.version.store(version &+ 2, ordering: .releasing)
    unsafe epochs.retire(old.memory, bytes: old.byteCount)
    return new
  }

  // MARK: Figures

  /// The number of keys.
  var count: Int { sum { unsafe partitions[$0].count.load(ordering: .relaxed) } }
  /// The lines of all records and extents that the index names.
  var liveLines: Int { sum { unsafe partitions[$0].liveLines.load(ordering: .relaxed) } }
  /// The lines set aside for the tombstones of all keys.
  var tombstoneLines: Int { sum { unsafe partitions[$0].tombstoneLines.load(ordering: .relaxed) } }
  /// The memory of the tables and partitions.
  var byteCount: Int {
    // Table sizes are read from the words alone, so that no table is touched that may be freed meanwhile.
    sum { table($0).byteCount } + partitionCount * (MemoryLayout<Partition>.stride + 8)
  }

  private func sum(_ value: (Int) -> Int) -> Int {
    (0..<partitionCount).reduce(0) { $0 + value($1) }
  }
}
