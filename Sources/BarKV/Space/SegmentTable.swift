import Synchronization

/// What is known in memory about each segment: a line each.
///
/// The identity fields change only while the segment is nobody's but the caller's (at recovery, or just taken from
/// ``Space``), and a reader learns of a record in it only afterwards. The counters are atomic.
@safe
struct SegmentTable: @unchecked Sendable {
  /// One segment's line.
  @safe
  struct Entry: ~Copyable {
    var generation: UInt64 = 0
    var baseSequence: UInt64 = 0
    var salt: UInt32 = 0
    var span: UInt32 = 0
    let kind = Atomic<UInt8>(SegmentKind.free.rawValue)
    /// The lines in use, headers included: what ``Store/verify()`` may read, and what capacity is made of.
    let usedLines = Atomic<UInt32>(0)
    /// The lines whose record or extent no key needs any more, less what lanes have counted of them.
    let deadLines = Atomic<UInt32>(0)
    /// Extents that were placed here and to which no record refers yet.
    let pendingExtents = Atomic<UInt32>(0)
    /// What keeps the segment as it is although it may be dead: leases, and the records of reservations.
    let pins = Atomic<UInt32>(0)
    /// Fills the line: lanes write to segments that are neighbours.
    private let padding = (0, 0)
  }

  let count: Int
  private let entries: UnsafeMutablePointer<Entry>
  private let laneDeadLines: LaneDeadLines

  /// - Parameter laneCount: all lanes that may count dead lines.
  init(count: Int, laneCount: Int) {
    self.count = count
    laneDeadLines = LaneDeadLines(segmentCount: count, laneCount: laneCount)
    precondition(MemoryLayout<Entry>.stride == lineSize, "an entry is a line")
    unsafe entries = allocateLines(bytes: count * lineSize).bindMemory(to: Entry.self, capacity: count)
    for index in 0..<count {
      unsafe (entries + index).initialize(to: Entry())
    }
  }

  /// Frees the memory; no use may follow.
  func deallocate() {
    unsafe entries.deinitialize(count: count)
    unsafe entries.deallocate()
    laneDeadLines.deallocate()
  }

  /// The entry of `segment`.
  @inline(__always)
  subscript(segment: Int) -> UnsafeMutablePointer<Entry> {
    precondition(segment >= 0 && segment < count, "no such segment")
    return unsafe entries + segment
  }

  /// Takes over what a valid header says.
  func adopt(_ header: SegmentHeader, salt: UInt32, usedLines: Int) {
    let entry = unsafe self[header.segment]
    unsafe entry.pointee.generation = header.generation
    unsafe entry.pointee.baseSequence = header.baseSequence
    unsafe entry.pointee.salt = salt
    unsafe entry.pointee.span = UInt32(header.span)
    unsafe entry.pointee.usedLines.store(UInt32(usedLines), ordering: .relaxed)
    forgetDead(header.segment)
    unsafe entry.pointee.kind.store(header.kind.rawValue, ordering: .releasing)
  }

  /// Forgets what the segment was used for.
  func free(_ segment: Int) {
    let entry = unsafe self[segment]
    unsafe entry.pointee.kind.store(SegmentKind.free.rawValue, ordering: .releasing)
    unsafe entry.pointee.usedLines.store(0, ordering: .relaxed)
    forgetDead(segment)
  }

  /// What the segment is used for.
  func kind(_ segment: Int) -> SegmentKind {
    unsafe SegmentKind(rawValue: self[segment].pointee.kind.load(ordering: .acquiring)) ?? .free
  }

  /// Counts `lines` lines of the segment as needed by no key any more.
  @inline(__always)
  func addDead(_ lines: Int, segment: Int) {
    unsafe _ = self[segment].pointee.deadLines.wrappingAdd(UInt32(truncatingIfNeeded: lines), ordering: .relaxed)
  }

  /// The same for who holds `lane`: without a locked instruction.
  @inline(__always)
  func addDead(_ lines: Int, segment: Int, lane: Int) {
    laneDeadLines.add(lines, segment: segment, lane: lane)
  }

  /// Counts none of the segment's lines as dead. Nobody counts any meanwhile.
  private func forgetDead(_ segment: Int) {
    unsafe self[segment].pointee.deadLines.store(0 &- laneDeadLines.sum(segment), ordering: .relaxed)
  }

  /// Sets how many lines of the segment are in use. One lane does so at a time.
  @inline(__always)
  func setUsed(_ lines: Int, segment: Int) {
    unsafe self[segment].pointee.usedLines.store(UInt32(truncatingIfNeeded: lines), ordering: .releasing)
  }

  /// How many lines of the segment are in use.
  func used(_ segment: Int) -> Int {
    unsafe Int(self[segment].pointee.usedLines.load(ordering: .acquiring))
  }

  /// Notes that an extent was placed in the segment, or that a record refers to it now, or that none will.
  func addPending(_ count: Int, segment: Int) {
    unsafe _ = self[segment].pointee.pendingExtents.wrappingAdd(
      UInt32(truncatingIfNeeded: count), ordering: .relaxed)
  }

  /// Whether extents wait for their records.
  func hasPending(_ segment: Int) -> Bool {
    unsafe self[segment].pointee.pendingExtents.load(ordering: .relaxed) != 0
  }

  /// Pins the segment, or takes a pin away: while it has one, it is neither emptied nor used again.
  func addPin(_ count: Int, segment: Int) {
    unsafe _ = self[segment].pointee.pins.wrappingAdd(
      UInt32(truncatingIfNeeded: count), ordering: .acquiringAndReleasing)
  }

  /// Whether the segment has to stay as it is.
  func isPinned(_ segment: Int) -> Bool {
    unsafe self[segment].pointee.pins.load(ordering: .acquiring) != 0
  }

  /// How many lines of the segment no key needs.
  func dead(_ segment: Int) -> Int {
    unsafe Int(self[segment].pointee.deadLines.load(ordering: .relaxed) &+ laneDeadLines.sum(segment))
  }
}
