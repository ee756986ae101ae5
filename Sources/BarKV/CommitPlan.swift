import CBarKV
import Synchronization

/// What a commit of many operations works out before it locks anything, in memory that is kept from one commit to the next:
/// most allocate nothing.
///
/// A plan is one thread's, from ``CommitPlans/take()`` to ``CommitPlans/giveBack(_:)``.
@safe
struct CommitPlan: ~Copyable {
  /// An operation.
  @unsafe
  struct Item {
    /// The key's bytes; those of the value follow.
    var key: UnsafeRawPointer
    /// Where the record was put.
    var offset = 0
    var keyLength: UInt32
    var valueLength: UInt32
    var partition: UInt32
    var fragment: UInt32
    /// The record's lines.
    var lines: UInt32
    /// Which of the plan's extents has the value, or ``inRecord``, or ``unwritten``.
    var extent: Int32
    var isDelete: Bool

    static var inRecord: Int32 { -1 }
    static var unwritten: Int32 { -2 }

    @inline(__always)
    var keyBytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: key, count: Int(keyLength)) }
    @inline(__always)
    var valueBytes: UnsafeRawBufferPointer {
      unsafe UnsafeRawBufferPointer(start: key + Int(keyLength), count: Int(valueLength))
    }
    @inline(__always)
    var place: Index.Place { unsafe Index.Place(partition: Int(partition), fragment: UInt64(fragment)) }
  }

  /// Whether a thread has it.
  fileprivate let isTaken = Atomic<UInt32>(0)

  /// The operations, in their order.
  private(set) var items: UnsafeMutablePointer<Item>
  private(set) var count = 0
  private var capacity = 0
  /// The lines of all records.
  var lines = 0
  /// How many of the operations are puts.
  var putCount = 0
  /// The extents that were written for values.
  var extents: [ExtentReference] = []

  /// The partitions of the operations, ascending, each once; see ``listPartitions()``.
  private(set) var partitions: UnsafeMutablePointer<UInt32>
  private(set) var partitionCount = 0
  /// A bit for each partition, and one for each word of these. All zero but while a plan is made.
  private let marks: UnsafeMutablePointer<UInt64>
  private let markedWords: UnsafeMutablePointer<UInt64>
  private let markedWordCount: Int

  /// Up to so many operations the memory is kept.
  private static var keptCapacity: Int { 4096 }

  /// - Parameter partitionCount: the partitions of the index.
  init(partitionCount: Int) {
    let words = (partitionCount + 63) / 64
    markedWordCount = (words + 63) / 64
    unsafe marks = .allocate(capacity: words)
    unsafe marks.initialize(repeating: 0, count: words)
    unsafe markedWords = .allocate(capacity: markedWordCount)
    unsafe markedWords.initialize(repeating: 0, count: markedWordCount)
    unsafe items = .allocate(capacity: 0)
    unsafe partitions = .allocate(capacity: 0)
  }

  deinit {
    unsafe items.deallocate()
    unsafe partitions.deallocate()
    unsafe marks.deallocate()
    unsafe markedWords.deallocate()
  }

  /// Makes room for so many operations. The plan is empty.
  mutating func reserve(_ wanted: Int) {
    assert(count == 0)
    if wanted > capacity { allocate(max(64, wanted)) }
  }

  @inline(never)
  private mutating func allocate(_ wanted: Int) {
    unsafe items.deallocate()
    unsafe partitions.deallocate()
    unsafe items = .allocate(capacity: wanted)
    unsafe partitions = .allocate(capacity: wanted)
    capacity = wanted
  }

  /// Adds an operation, for which there is room.
  @unsafe
  @inline(__always)
  mutating func append(_ item: Item) {
    assert(count < capacity)
    unsafe (items + count).initialize(to: item)
    count &+= 1
    let partition = unsafe Int(item.partition)
    unsafe marks[partition >> 6] |= 1 << UInt64(partition & 63)
    unsafe markedWords[partition >> 12] |= 1 << UInt64(partition >> 6 & 63)
  }

  /// Lists the partitions of all operations in ascending order: sorting without comparing.
  mutating func listPartitions() {
    var listed = 0
    for high in 0..<markedWordCount {
      var words = unsafe markedWords[high]
      unsafe markedWords[high] = 0
      while words != 0 {
        let word = high &* 64 &+ words.trailingZeroBitCount
        words &= words &- 1
        var bits = unsafe marks[word]
        unsafe marks[word] = 0
        while bits != 0 {
          unsafe (partitions + listed).initialize(
            to: UInt32(truncatingIfNeeded: word &* 64 &+ bits.trailingZeroBitCount))
          listed &+= 1
          bits &= bits &- 1
        }
      }
    }
    partitionCount = listed
  }

  /// Takes out the operations that `isOut` says.
  mutating func removeAll(where isOut: (borrowing Item) -> Bool) {
    var kept = 0
    for position in 0..<count {
      let item = unsafe items[position]
      if unsafe isOut(item) {
        unsafe lines -= Int(item.lines)
      } else {
        unsafe items[kept] = unsafe item
        kept += 1
      }
    }
    count = kept
  }

  /// Empties the plan.
  fileprivate mutating func reset() {
    // What was refused while it was made left marks.
    if partitionCount == 0, count > 0 { listPartitions() }
    count = 0
    lines = 0
    putCount = 0
    partitionCount = 0
    if !extents.isEmpty { extents.removeAll() }
    if capacity > Self.keptCapacity { allocate(64) }
  }
}

/// The plans of a store: one for each of a few threads that commit at a time, and more as they are needed.
@safe
final class CommitPlans: @unchecked Sendable {
  // Safe to share: a plan is touched by the thread that took it.

  private let plans: UnsafeMutablePointer<CommitPlan>
  private let partitionCount: Int
  private static var kept: Int { 8 }

  init(partitionCount: Int) {
    self.partitionCount = partitionCount
    unsafe plans = .allocate(capacity: Self.kept)
    for place in 0..<Self.kept { unsafe (plans + place).initialize(to: CommitPlan(partitionCount: partitionCount)) }
  }

  deinit {
    unsafe plans.deinitialize(count: Self.kept)
    unsafe plans.deallocate()
  }

  /// An empty plan for the calling thread.
  func take() -> UnsafeMutablePointer<CommitPlan> {
    let first = Int(barkv_thread_slot())
    for step in 0..<Self.kept {
      let plan = unsafe plans + (first &+ step) % Self.kept
      let (taken, _) = unsafe plan.pointee.isTaken.compareExchange(expected: 0, desired: 1, ordering: .acquiring)
      if taken { return unsafe plan }
    }
    let plan = UnsafeMutablePointer<CommitPlan>.allocate(capacity: 1)
    unsafe plan.initialize(to: CommitPlan(partitionCount: partitionCount))
    return unsafe plan
  }

  /// Takes back what ``take()`` gave.
  @unsafe
  func giveBack(_ plan: UnsafeMutablePointer<CommitPlan>) {
    guard unsafe plan >= plans, unsafe plan < plans + Self.kept else {
      unsafe plan.deinitialize(count: 1)
      unsafe plan.deallocate()
      return
    }
    unsafe plan.pointee.reset()
    unsafe plan.pointee.isTaken.store(0, ordering: .releasing)
  }
}
