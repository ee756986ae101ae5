import Synchronization

/// A writer's own open segment, with the buffer in which it builds a record.
///
/// A lane is used by one thread at a time, which holds the lane's lock.
///
/// Invariants, while nobody holds the lock:
/// - `isSettled`: all that the lane wrote is durable;
/// - `position <= frontier <= limit`, all line-aligned and inside the segment; the line at `limit` is kept for a seal;
/// - what lies behind `position` in the segment is no record of this generation.
@safe
struct Lane: ~Copyable {
  /// The open segment, or -1.
  var segment = -1 {
    didSet { openSegment.store(segment, ordering: .relaxed) }
  }
  /// The same, for those who do not hold the lane.
  let openSegment = Atomic<Int>(-1)
  /// Where the open segment starts.
  var start = 0
  /// Where the next record goes.
  var position = 0
  /// Where records must end before the segment's ``Frontier`` is moved on.
  var frontier = 0
  /// Where records must end.
  var limit = 0
  /// What the record checksums start from.
  var salt: UInt32 = 0
  var baseSequence: UInt64 = 0
  /// The open segment's generation, or that of the last one; 0 before the first.
  var generation: UInt64 = 0
  /// Whether everything written so far is durable.
  var isSettled = true
  /// What the next barrier has to cover.
  var dirty: Range<Int> = 0..<0
  /// What this lane's writers changed in the index since the last cut.
  var changes = ChangeBuffer()
  /// Bytes of records that were not added to the tail's length yet.
  var unreported = 0
  /// The keys, and the lines of records and extents, that this lane's writers added less those that they took out.
  let keys = Atomic<Int>(0)
  let liveLines = Atomic<Int>(0)

  /// The segment that takes extents, or -1.
  var extentSegment = -1
  var extentPosition = 0
  var extentLimit = 0

  /// Where records are put together before they go out in whole lines.
  let scratch: UnsafeMutableRawPointer
  let scratchBytes: Int

  /// - Parameter scratchBytes: the longest record, in whole lines, or more.
  init(scratchBytes: Int) {
    self.scratchBytes = scratchBytes
    // Not zeroed: a record is put together in whole lines, and an opening would touch all of it, a lane 17 pages.
    unsafe scratch = .allocate(byteCount: scratchBytes, alignment: lineSize)
  }

  deinit {
    unsafe scratch.deallocate()
  }

  /// The room for records in the open segment, in bytes.
  @inline(__always)
  var room: Int { limit &- position }

  /// Counts what a write came to. Others read the figures without the lock.
  @inline(__always)
  func count(keys added: Int, liveLines lines: Int) {
    if added != 0 { keys.store(keys.load(ordering: .relaxed) &+ added, ordering: .relaxed) }
    liveLines.store(liveLines.load(ordering: .relaxed) &+ lines, ordering: .relaxed)
  }

  /// Remembers that `range` was written and not yet made durable.
  @inline(__always)
  mutating func soil(_ range: Range<Int>) {
    if isSettled || Mutant.barrierOfLastRecord.isActive {
      dirty = range
      isSettled = false
    } else {
      dirty = min(dirty.lowerBound, range.lowerBound)..<max(dirty.upperBound, range.upperBound)
    }
  }
}
