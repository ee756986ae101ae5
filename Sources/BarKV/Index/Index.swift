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
/// A partition is *resident* while it has a table. One that is not has its slots in the runs, and is filled from them by
/// ``IndexLoader`` when it is first touched; an owner with a budget takes tables away again whose changes a checkpoint has.
/// In place of a table such a partition has a bucket of vacated slots, which sends a quick look the long way.
@safe
final class Index: @unchecked Sendable {
  // Safe to share: tables are atomic words, the partitions' counters are atomic, the rest is under the partition's lock.

  /// A partition's writer side: a line.
  struct Partition: ~Copyable {
    let lock = Atomic<UInt32>(0)
    /// Odd while a slot or the table changes; see ``snapshot(_:)``.
    let version = Atomic<UInt32>(0)
    /// The window, between two checkpoints' cuts, in which it was changed last.
    let changed = Atomic<UInt64>(0)
    /// Slots that are not empty. Changed under the lock; atomic so that a change does not touch the partition as a whole,
    /// of which others hold the lock word.
    let usedSlots = Atomic<Int>(0)
    /// Not 0 where a slot may be vacated, which a new key could take. Changed under the lock.
    let vacated = Atomic<Int>(0)
    /// How many gets have asked for it while it was not resident.
    let asked = Atomic<Int>(0)
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
  /// What stands in for a table that is not resident.
  private let absentTable: IndexTable
  /// The bytes of all tables.
  private let tableBytes = PaddedCounter(0)
  /// The window that changes belong to now. It moves on while all lanes are held, so that no change is half done.
  let window = Atomic<UInt64>(1)
  /// All changes up to this window are in the runs.
  let committedWindow = Atomic<UInt64>(0)

  /// The most bits of a hash that choose the partition.
  static let mostPartitionBits: UInt64 = 16

  /// The number of partitions, as a power of two: one for each 256 KiB of region, from 8 to 65,536.
  static func partitionBits(regionBytes: Int) -> UInt64 {
    var bits: UInt64 = 3
    while bits < mostPartitionBits, regionBytes >> 18 >= 1 << (bits + 1) { bits += 1 }
    return bits
  }

  /// - Parameters:
  ///   - regionBytes: decides the number of partitions.
  ///   - epochs: gives what it frees back to `pool`.
  init(regionBytes: Int, epochs: Epochs, pool: TablePool) {
    let bits = Self.partitionBits(regionBytes: regionBytes)
    partitionCount = 1 << Int(bits)
    partitionShift = 64 - bits
    self.epochs = epochs
    self.pool = pool
    absentTable = IndexTable(bucketCount: 1, from: pool)
    for position in 0..<absentTable.slotCount { absentTable.set(position, .vacated) }
    unsafe tables = .allocate(capacity: partitionCount)
    for partition in 0..<partitionCount {
      unsafe (tables + partition).initialize(to: Atomic(absentTable.word))
    }
    precondition(MemoryLayout<Partition>.stride == lineSize, "a partition is a line")
    // Zeros are a partition's first state: pages that nobody touches cost nothing.
    let memory = unsafe allocateZeroed(bytes: partitionCount * lineSize)
    unsafe partitions = memory.bindMemory(to: Partition.self, capacity: partitionCount)
  }

  deinit {
    for partition in 0..<partitionCount where isResident(partition) {
      unsafe pool.deallocate(table(partition).memory, bytes: table(partition).byteCount)
    }
    unsafe pool.deallocate(absentTable.memory, bytes: absentTable.byteCount)
    unsafe tables.deallocate()
    unsafe freeZeroed(partitions, bytes: partitionCount * lineSize)
    tableBytes.deallocate()
  }

  // MARK: Residency

  /// Whether the partition has its table in memory.
  @inline(__always)
  func isResident(_ partition: Int) -> Bool {
    assert(partition >= 0 && partition < partitionCount)
    return unsafe tables[partition].load(ordering: .acquiring) != absentTable.word
  }

  /// The places of a partition's slots in the order of the hash.
  func places(of partition: Int) -> Range<UInt64> {
    let width: UInt64 = 1 << IndexSlot.fragmentBits
    return UInt64(partition) * width..<(UInt64(partition) + 1) * width
  }

  /// A table for so many slots, which only the caller knows.
  func makeTable(holding count: Int) -> IndexTable {
    IndexTable(holding: count, from: pool)
  }

  /// Gives back a table that ``makeTable(holding:)`` gave and nobody else has seen.
  func discard(_ table: IndexTable) {
    unsafe pool.deallocate(table.memory, bytes: table.byteCount)
  }

  /// Makes a partition resident that is not. The caller holds its lock.
  func install(_ table: IndexTable, in partition: Int, usedSlots: Int, hasVacated: Bool, isChanged: Bool) {
    assert(!isResident(partition))
    let state = unsafe partitions + partition
    unsafe state.pointee.vacated.store(hasVacated ? 1 : 0, ordering: .relaxed)
    unsafe state.pointee.usedSlots.store(usedSlots, ordering: .relaxed)
    if isChanged { unsafe state.pointee.changed.store(window.load(ordering: .relaxed), ordering: .relaxed) }
    tableBytes.add(table.byteCount)
    replaceTable(partition, by: table)
  }

  /// Takes a partition's table away, if all its changes are in the runs. The caller holds its lock.
  ///
  /// - Returns: the bytes that are free for it.
  func evict(_ partition: Int) -> Int {
    let changed = unsafe partitions[partition].changed.load(ordering: .relaxed)
    guard isResident(partition),
      changed <= committedWindow.load(ordering: .acquiring) || Mutant.evictsChanged.isActive
    else { return 0 }
    let old = table(partition)
    let bytes = old.byteCount
    replaceTable(partition, by: absentTable)
    unsafe partitions[partition].asked.store(0, ordering: .relaxed)
    tableBytes.add(-bytes)
    unsafe epochs.retire(old.memory, bytes: bytes)
    return bytes
  }

  /// Counts a get that asks for a partition that is not resident; how many have before.
  func countAsking(_ partition: Int) -> Int {
    assert(partition >= 0 && partition < partitionCount)
    return unsafe partitions[partition].asked.wrappingAdd(1, ordering: .relaxed).oldValue
  }

  /// Waits until nothing happens in the background that tables would be taken from, for good.
  func stopPreparing() { pool.stop() }

  private func replaceTable(_ partition: Int, by table: IndexTable) {
    let state = unsafe partitions + partition
    let version = unsafe state.pointee.version.load(ordering: .relaxed)
    unsafe state.pointee.version.store(version &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
    unsafe tables[partition].store(table.word, ordering: .releasing)
    unsafe state.pointee.version.store(version &+ 2, ordering: .releasing)
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

  /// Loads the first two lines that a search for the key may look at. One in five home buckets is full where a table is about
  /// to grow, and a search that goes on behind one would wait for the next as well.
  @inline(__always)
  func prefetchBoth(_ place: Place) {
    let table = table(place.partition)
    table.prefetch(place.fragment)
    table.prefetchNext(place.fragment)
  }

  /// Loads the line of the partition's lock.
  @inline(__always)
  func prefetchLock(_ partition: Int) {
    unsafe barkv_prefetch(partitions + partition)
  }

  // MARK: Reading

  /// What a search finds.
  enum Found {
    case record(line: Int)
    case absent
    /// The partition is not resident: ``IndexLoader`` makes it so.
    case notResident
  }

  /// The line of the record of the key at `place` that `matches` accepts. The caller is inside a read, or holds the
  /// partition's lock.
  @inline(__always)
  func find(_ place: Place, matches: (Int) -> Bool) -> Found {
    let table = table(place.partition)
    if case .at(_, let slot) = table.find(place.fragment, matches: matches) { return .record(line: slot.line) }
    return table.word == absentTable.word ? .notResident : .absent
  }

  /// What the home bucket has for a key: see ``IndexTable/findAtHome(_:)``. The caller is inside a read.
  @inline(__always)
  func findAtHome(_ place: Place) -> IndexSlot {
    table(place.partition).findAtHome(place.fragment)
  }

  /// Loads the line of the index behind the one that ``findAtHome(_:)`` looks at.
  @inline(__always)
  func prefetchNext(_ place: Place) {
    table(place.partition).prefetchNext(place.fragment)
  }

  /// What the table has for a key whose home bucket did not tell. The caller is inside a read.
  ///
  /// The home bucket is looked at once more: since then the partition may have got another table, in which the key stands
  /// there.
  func findAnywhere(_ place: Place) -> IndexSlot {
    table(place.partition).findAnywhere(place.fragment)
  }

  /// The lines of all records in a partition at one moment, or `nil` where it is not resident. The caller is inside a
  /// read.
  func snapshot(_ partition: Int) -> [Int]? {
    var lines: [Int] = []
    while true {
      let before = unsafe partitions[partition].version.load(ordering: .acquiring)
      if before & 1 == 0 {
        let table = table(partition)
        if table.word == absentTable.word { return nil }
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

  /// The position of the key's slot, and the line it names. The partition is resident.
  @inline(__always)
  func position(_ place: Place, matches: (Int) -> Bool) -> (position: Int, line: Int)? {
    guard case .at(let position, let slot) = table(place.partition).find(place.fragment, matches: matches) else {
      return nil
    }
    return (position, slot.line)
  }

  /// Where the slot of a key is, with the line it names, or else may go, with no line; `nil` where that has to be found out
  /// by ``positionForNew(_:)``. The partition is resident.
  @inline(__always)
  func spot(_ place: Place, matches: (Int) -> Bool) -> (position: Int, line: Int?)? {
    let table = table(place.partition)
    switch table.find(place.fragment, matches: matches) {
    case .at(let position, let slot): return (position, slot.line)
    case .endedIn(let bucket):
      // All that the search has seen is taken, but for the last bucket's end.
      let state = unsafe partitions + place.partition
      guard unsafe state.pointee.vacated.load(ordering: .relaxed) == 0,
        unsafe !table.isCrowded(usedSlots: state.pointee.usedSlots.load(ordering: .relaxed) &+ 1)
      else { return nil }
      return (table.freePosition(inBucket: bucket), nil)
    case .nowhere: return nil
    }
  }

  /// The position for the slot of a key that is absent, as long as the partition stays locked and unchanged. Makes the table
  /// larger where it is crowded.
  @inline(never)
  func positionForNew(_ place: Place) -> Int {
    var table = table(place.partition)
    if unsafe table.isCrowded(usedSlots: partitions[place.partition].usedSlots.load(ordering: .relaxed) &+ 1) {
      table = grow(place.partition)
    }
    return table.freePosition(place.fragment)
  }

  /// Makes the slot at `position` name another record of its key.
  @inline(__always)
  func replace(_ place: Place, at position: Int, line: Int) {
    changing(place.partition) {
      table(place.partition).set(position, IndexSlot(fragment: place.fragment, line: line))
    }
  }

  /// Adds a key that is absent, at the position that ``spot(_:matches:)`` or ``positionForNew(_:)`` gave.
  @inline(__always)
  func insert(_ place: Place, at position: Int, line: Int) {
    let table = table(place.partition)
    changing(place.partition) {
      if table.slot(position) == .empty { unsafe Self.add(1, to: partitions[place.partition].usedSlots) }
      table.set(position, IndexSlot(fragment: place.fragment, line: line))
    }
  }

  /// Takes the key at `position` out.
  func remove(_ place: Place, at position: Int) {
    let table = table(place.partition)
    changing(place.partition) {
      if table.mayEmpty(position) {
        table.set(position, .empty)
        unsafe Self.add(-1, to: partitions[place.partition].usedSlots)
      } else {
        table.set(position, .vacated)
        unsafe partitions[place.partition].vacated.store(1, ordering: .relaxed)
      }
    }
  }

  @inline(__always)
  private func changing(_ partition: Int, _ body: () -> Void) {
    let state = unsafe partitions + partition
    let version = unsafe state.pointee.version.load(ordering: .relaxed)
    unsafe state.pointee.version.store(version &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
    body()
    // A checkpoint moves the window on only while no change is half done.
    unsafe state.pointee.changed.store(window.load(ordering: .relaxed), ordering: .relaxed)
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
    let state = unsafe partitions + partition
    let hasVacated = unsafe state.pointee.vacated.load(ordering: .relaxed) != 0
    let occupied =
      hasVacated
      ? (0..<old.slotCount).count { old.slot($0).isOccupied } : unsafe state.pointee.usedSlots.load(ordering: .relaxed)
    let new = IndexTable(roomFor: occupied, of: partition, from: pool)
    new.fill(from: old)
    unsafe state.pointee.usedSlots.store(occupied, ordering: .relaxed)
    unsafe state.pointee.vacated.store(0, ordering: .relaxed)
    tableBytes.add(new.byteCount - old.byteCount)
    replaceTable(partition, by: new)
    unsafe epochs.retire(old.memory, bytes: old.byteCount)
    return new
  }

  // MARK: Figures

  /// The memory of the resident tables.
  var residentBytes: Int { tableBytes.value }
  /// The memory of the tables and partitions.
  var byteCount: Int { residentBytes + partitionCount * (MemoryLayout<Partition>.stride + 8) }
  /// How many partitions are resident.
  var residentCount: Int { (0..<partitionCount).count { isResident($0) } }
}
