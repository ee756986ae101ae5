import CBarKV
public import Synchronization

/// Epoch-based reclamation: readers announce themselves with a plain store, and memory that a reader may still look at is
/// freed only after every reader that could have seen it has left.
///
/// A reader's announcement must be visible before its first load. Instead of a fence in every read, the rare reclaimer
/// makes all threads execute one (`membarrier`). Where that does not work every reader fences: on a kernel without it, and in a
/// process with several threads for some milliseconds after its first store was opened, as the kernel takes so long.
///
/// The *gate* is a word of the store's lifecycle: the current epoch while reads may begin, something else once the store
/// is closed, lost or forked. So one comparison tells a reader that its announcement is of the current epoch and that the
/// store is open.
@safe
@usableFromInline
final class Epochs: @unchecked Sendable {
  // Safe to share: the lines are written by their own thread only (or atomically), the rest is under the mutex.

  /// A thread's line. Its first word is the epoch it announced last, plus 1 while it reads; its second counts the reads
  /// within that read.
  @usableFromInline
  typealias Line = UnsafeMutablePointer<Atomic<UInt64>>
  private static var stride: Int { 8 }
  private static var slots: Int { Int(BARKV_THREAD_SLOTS) }
  /// Epochs are even; 0 is none.
  private static var first: UInt64 { 2 }
  private static var step: UInt64 { 2 }
  @inlinable static var reading: UInt64 { 1 }

  private let lines: Line
  private let current = Atomic<UInt64>(first)
  private let gate: Line
  /// Readers without a line of their own; while there is one, nothing is reclaimed.
  private let unslotted = Atomic<Int>(0)
  /// Whether a reader has to fence. Cleared for good once `membarrier` works: a reclaimer that asked for it before, in vain,
  /// had taken out what it reclaims before, and whoever sees this cleared sees that.
  private let readersFence: Atomic<Bool>
  private let allowsQuickReads: Bool
  /// The slots whose threads may begin reads the quick way: all or none.
  private let quickSlots: Atomic<Int>

  @unsafe
  private struct Retired: @unchecked Sendable {
    var epoch: UInt64
    var memory: UnsafeMutableRawPointer
    var bytes: Int
  }
  @unsafe
  private struct Garbage: @unchecked Sendable {
    var list: [Retired] = unsafe []
    var bytes = 0
  }
  private let garbage = unsafe Locked(Garbage())
  /// Frees what was retired.
  private let free: @Sendable (UnsafeMutableRawPointer, Int) -> Void

  /// Reclaiming is tried when this many pieces, or this many bytes, are waiting.
  private static var reclaimCount: Int { 64 }
  private static var reclaimBytes: Int { 4 << 20 }

  /// - Parameters:
  ///   - gate: outlives the epochs.
  ///   - allowsQuickReads: whether ``enterQuickly()`` may be had at all.
  ///   - free: frees memory that was retired, of so many bytes.
  @unsafe
  init(gate: Line, allowsQuickReads: Bool, free: @escaping @Sendable (UnsafeMutableRawPointer, Int) -> Void) {
    unsafe self.free = free
    unsafe lines = allocateAtomicWords(Self.slots, stride: Self.stride)
    for slot in 0..<Self.slots { unsafe lines[slot * Self.stride].store(Self.first, ordering: .relaxed) }
    unsafe self.gate = unsafe gate
    self.allowsQuickReads = allowsQuickReads
    let works = barkv_membarrier_begin()
    readersFence = Atomic(!works)
    quickSlots = Atomic(allowsQuickReads && works ? Self.slots : 0)
    unsafe gate.pointee.store(Self.first, ordering: .sequentiallyConsistent)
  }

  deinit {
    unsafe garbage.withLock { garbage in
      unsafe garbage.list.forEach { unsafe free($0.memory, $0.bytes) }
    }
    unsafe lines.deallocate()
  }

  /// Starts a read: what is reachable now stays readable until ``leave()`` on the same thread. Reads nest. Whether the
  /// store is open is for the caller to ask, after this.
  func enter() {
    let slot = Int(barkv_thread_slot())
    guard slot < Self.slots else {
      unslotted.add(1, ordering: .sequentiallyConsistent)
      return
    }
    let line = unsafe lines + slot &* Self.stride
    if unsafe line.pointee.load(ordering: .relaxed) & Self.reading != 0 {
      unsafe line[1].store(line[1].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
      return
    }
    // Acquiring: who reads in an epoch sees what was taken out before it began.
    unsafe line.pointee.store(current.load(ordering: .acquiring) | Self.reading, ordering: .relaxed)
    if readersFence.load(ordering: .acquiring) { fence() } else { barkv_compiler_fence() }
  }

  /// Fences, and sees whether the next reads have to.
  @inline(never)
  private func fence() {
    barkv_full_fence()
    guard barkv_membarrier_works() else { return }
    readersFence.store(false, ordering: .releasing)
    if allowsQuickReads { quickSlots.store(Self.slots, ordering: .releasing) }
  }

  /// Starts a read of an open store: the thread's line, for ``leave(_:)``. `nil` means that no read was started, and that
  /// ``enter()`` is to be tried: the store is not open, the epoch has moved on since the thread's last read, the thread is
  /// new, or it is reading already.
  ///
  /// Few instructions and one store: a processor overlaps the cache misses of as many reads as fit into its queues.
  @unsafe
  @inline(__always)
  func enterQuickly() -> Line? {
    let slot = Int(barkv_thread_slot_so_far())
    guard slot < quickSlots.load(ordering: .acquiring) else { return nil }
    let line = unsafe lines + slot &* Self.stride
    let epoch = unsafe gate.pointee.load(ordering: .acquiring)
    // What is stored comes from the gate, not from the line: no read's store waits for the last one's. A thread that is
    // reading has an odd word, which the gate never is.
    guard unsafe line.pointee.load(ordering: .relaxed) == epoch else { return nil }
    unsafe line.pointee.store(epoch | Self.reading, ordering: .relaxed)
    barkv_compiler_fence()
    // Only now is it certain that a close waits for this read.
    if unsafe gate.pointee.load(ordering: .acquiring) == epoch { return unsafe line }
    unsafe line.pointee.store(epoch, ordering: .releasing)
    return nil
  }

  /// Ends the read that this thread started last.
  func leave() {
    let slot = Int(barkv_thread_slot())
    guard slot < Self.slots else {
      // A thread that went without a slot at its first use goes without one for good.
      unslotted.subtract(1, ordering: .sequentiallyConsistent)
      return
    }
    let line = unsafe lines + slot &* Self.stride
    let nested = unsafe line[1].load(ordering: .relaxed)
    if nested > 0 {
      unsafe line[1].store(nested &- 1, ordering: .relaxed)
    } else {
      unsafe Self.leave(line)
    }
  }

  /// Ends the read that ``enterQuickly()`` started.
  @unsafe
  @inlinable
  @inline(__always)
  static func leave(_ line: Line) {
    let word = unsafe line.pointee.load(ordering: .relaxed)
    assert(word & reading != 0, "leave without enter")
    unsafe line.pointee.store(word & ~reading, ordering: .releasing)
  }

  /// Whether the calling thread is inside a read.
  var isReading: Bool {
    let slot = Int(barkv_thread_slot())
    guard slot < Self.slots else { return false }
    return unsafe lines[slot * Self.stride].load(ordering: .relaxed) & Self.reading != 0
  }

  /// Hands over memory that no later read can reach; it is freed once no earlier read can either.
  func retire(_ memory: UnsafeMutableRawPointer, bytes: Int) {
    let full = unsafe garbage.withLock { garbage in
      unsafe garbage.list.append(Retired(epoch: moveOn(), memory: memory, bytes: bytes))
      unsafe garbage.bytes += bytes
      return unsafe garbage.list.count >= Self.reclaimCount || garbage.bytes >= Self.reclaimBytes
    }
    if full { reclaim() }
  }

  /// Begins the next epoch, so that a reader that starts now does not hold back what was retired before; the last one. The
  /// caller holds the garbage, so that epochs reach the gate in their order.
  private func moveOn() -> UInt64 {
    let last = current.add(Self.step, ordering: .sequentiallyConsistent).oldValue
    // A gate that was shut stays shut.
    unsafe _ = gate.pointee.compareExchange(
      expected: last, desired: last &+ Self.step, ordering: .sequentiallyConsistent)
    return last
  }

  /// The oldest epoch that a reader is in, or `UInt64.max`; 0 when it cannot be known.
  private func oldestReader() -> UInt64 {
    barkv_full_fence()
    barkv_membarrier()
    guard unslotted.load(ordering: .sequentiallyConsistent) == 0 else { return 0 }
    var oldest = UInt64.max
    for slot in 0..<Self.slots {
      let word = unsafe lines[slot * Self.stride].load(ordering: .acquiring)
      if word & Self.reading != 0 { oldest = min(oldest, word & ~Self.reading) }
    }
    return oldest
  }

  /// Begins the next epoch, and gives the last one: once ``oldestReaderEpoch()`` is above it, no read that began before this
  /// call goes on.
  func advance() -> UInt64 {
    unsafe garbage.withLock { _ in moveOn() }
  }

  /// The oldest epoch that a reader is in, or `UInt64.max`.
  func oldestReaderEpoch() -> UInt64 { oldestReader() }

  /// Frees what no reader can reach any more.
  private func reclaim() {
    unsafe garbage.withLock { garbage in
      let oldest = oldestReader()
      unsafe garbage.list.removeAll { item in
        guard unsafe item.epoch < oldest else { return false }
        unsafe free(item.memory, item.bytes)
        return true
      }
      unsafe garbage.bytes = garbage.list.reduce(0) { unsafe $0 + $1.bytes }
    }
  }

  /// Waits until every read that started before this call has ended. The caller is not inside a read.
  func waitForReaders() {
    assert(!isReading, "a reader that waits for itself")
    let epoch = unsafe garbage.withLock { _ in moveOn() }
    var turns = 0
    while oldestReader() <= epoch {
      turns += 1
      if turns < 100 { barkv_pause() } else { sleepFor(microseconds: 100) }
    }
  }
}
