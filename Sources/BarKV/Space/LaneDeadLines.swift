import Synchronization

/// The lines of each segment that writers found dead, counted apart by each lane: a table a lane, made when the lane counts
/// first.
///
/// One counter for all would be added to by a locked instruction, and that behind a write's fence: it would hold back the
/// next write's first look at memory until this one's lines have left the processor. A lane's table has one writer at a
/// time, which holds the lane, so that plain additions do; the price is that a sum looks into every lane's table.
///
/// Sums are modulo 2^32, like the counter of ``SegmentTable`` that they are added to.
@safe
struct LaneDeadLines: @unchecked Sendable {
  // Safe to share: a table is published once, by one atomic word, and its counters are atomic.

  private typealias Counter = Atomic<UInt32>

  private let segmentCount: Int
  private let laneCount: Int
  /// The address of each lane's table; 0 where it has none.
  private let tables: UnsafeMutablePointer<Atomic<UInt>>

  /// - Parameter laneCount: all lanes, those of maintenance included.
  init(segmentCount: Int, laneCount: Int) {
    self.segmentCount = segmentCount
    self.laneCount = laneCount
    unsafe tables = .allocate(capacity: laneCount)
    for lane in 0..<laneCount { unsafe (tables + lane).initialize(to: Atomic(0)) }
  }

  /// Frees the memory; no use may follow.
  func deallocate() {
    for lane in 0..<laneCount { unsafe table(lane)?.deallocate() }
    unsafe tables.deallocate()
  }

  @inline(__always)
  private func table(_ lane: Int) -> UnsafeMutablePointer<Counter>? {
    unsafe UnsafeMutablePointer(bitPattern: tables[lane].load(ordering: .acquiring))
  }

  /// Adds `lines` to what the lane counts. The caller holds the lane.
  @inline(__always)
  func add(_ lines: Int, segment: Int, lane: Int) {
    precondition(segment >= 0 && segment < segmentCount && lane >= 0 && lane < laneCount, "no such segment or lane")
    let table = unsafe table(lane) ?? makeTable(lane)
    let counter = unsafe table + segment
    unsafe counter.pointee.store(
      counter.pointee.load(ordering: .relaxed) &+ UInt32(truncatingIfNeeded: lines), ordering: .relaxed)
  }

  @unsafe
  @inline(never)
  private func makeTable(_ lane: Int) -> UnsafeMutablePointer<Counter> {
    let table = UnsafeMutablePointer<Counter>.allocate(capacity: segmentCount)
    for segment in 0..<segmentCount { unsafe (table + segment).initialize(to: Atomic(0)) }
    unsafe tables[lane].store(UInt(bitPattern: table), ordering: .releasing)
    return unsafe table
  }

  /// What all lanes have counted. Additions that run at the same time may or may not be in it.
  func sum(_ segment: Int) -> UInt32 {
    precondition(segment >= 0 && segment < segmentCount, "no such segment")
    var sum: UInt32 = 0
    for lane in 0..<laneCount {
      if let table = unsafe table(lane) { unsafe sum &+= table[segment].load(ordering: .relaxed) }
    }
    return sum
  }
}
