import CBarKV
import Synchronization

/// Epoch-based reclamation: readers announce themselves with two plain stores, and memory that a reader may still look
/// at is freed only after every reader that could have seen it has left.
///
/// A reader's announcement must be visible before its first load. Instead of a fence in every read, the rare reclaimer
/// makes all threads execute one (`membarrier`); on a kernel without it every reader fences.
@safe
final class Epochs: @unchecked Sendable {
  // Safe to share: the lines are written by their own thread only (or atomically), the rest is under the mutex.

  /// A thread's line: word 0 is the epoch it reads in, or 0; word 1 is how deep its reads are nested.
  private static var stride: Int { 8 }
  private static var slots: Int { Int(BARKV_THREAD_SLOTS) }
  private let lines: UnsafeMutablePointer<Atomic<UInt64>>
  private let current = Atomic<UInt64>(1)
  /// Readers without a line of their own; while there is one, nothing is reclaimed.
  private let unslotted = Atomic<Int>(0)
  private let readersFence: Bool

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

  /// Reclaiming is tried when this many pieces, or this many bytes, are waiting.
  private static var reclaimCount: Int { 64 }
  private static var reclaimBytes: Int { 4 << 20 }

  init() {
    unsafe lines = allocateAtomicWords(Self.slots, stride: Self.stride)
    readersFence = !barkv_membarrier_register()
  }

  deinit {
    unsafe garbage.withLock { garbage in
      unsafe garbage.list.forEach { unsafe $0.memory.deallocate() }
    }
    unsafe lines.deallocate()
  }

  /// Starts a read: what is reachable now stays readable until ``leave()`` on the same thread. Reads nest.
  @inline(__always)
  func enter() {
    let slot = Int(barkv_thread_slot())
    guard slot < Self.slots else {
      unslotted.add(1, ordering: .sequentiallyConsistent)
      return
    }
    let line = unsafe lines + slot &* Self.stride
    let depth = unsafe line[1].load(ordering: .relaxed)
    unsafe line[1].store(depth &+ 1, ordering: .relaxed)
    if depth == 0 {
      unsafe line[0].store(current.load(ordering: .acquiring), ordering: .relaxed)
      if readersFence { barkv_full_fence() } else { barkv_compiler_fence() }
    }
  }

  /// Ends the read that this thread started last.
  @inline(__always)
  func leave() {
    let slot = Int(barkv_thread_slot())
    guard slot < Self.slots else {
      // A thread that went without a slot at its first use goes without one for good.
      unslotted.subtract(1, ordering: .sequentiallyConsistent)
      return
    }
    let line = unsafe lines + slot &* Self.stride
    let depth = unsafe line[1].load(ordering: .relaxed)
    assert(depth > 0, "leave without enter")
    unsafe line[1].store(depth &- 1, ordering: .relaxed)
    if depth == 1 {
      unsafe line[0].store(0, ordering: .releasing)
    }
  }

  /// Whether the calling thread is inside a read.
  var isReading: Bool {
    let slot = Int(barkv_thread_slot())
    guard slot < Self.slots else { return false }
    return unsafe lines[slot * Self.stride + 1].load(ordering: .relaxed) > 0
  }

  /// Hands over memory that no later read can reach; it is freed once no earlier read can either.
  func retire(_ memory: UnsafeMutableRawPointer, bytes: Int) {
    // The epoch moves on with each retirement, so that a reader that starts now does not hold this piece back.
    let epoch = current.add(1, ordering: .sequentiallyConsistent).oldValue
    let item = unsafe Retired(epoch: epoch, memory: memory, bytes: bytes)
    let full = unsafe garbage.withLock { garbage in
      unsafe garbage.list.append(item)
      unsafe garbage.bytes += bytes
      return unsafe garbage.list.count >= Self.reclaimCount || garbage.bytes >= Self.reclaimBytes
    }
    if full { reclaim() }
  }

  /// The oldest epoch that a reader is in, or `UInt64.max`; 0 when it cannot be known.
  private func oldestReader() -> UInt64 {
    if readersFence { barkv_full_fence() } else { barkv_membarrier() }
    guard unslotted.load(ordering: .sequentiallyConsistent) == 0 else { return 0 }
    var oldest = UInt64.max
    for slot in 0..<Self.slots {
      let epoch = unsafe lines[slot * Self.stride].load(ordering: .acquiring)
      if epoch != 0 { oldest = min(oldest, epoch) }
    }
    return oldest
  }

  /// Frees what no reader can reach any more.
  private func reclaim() {
    unsafe garbage.withLock { garbage in
      let oldest = oldestReader()
      unsafe garbage.list.removeAll { item in
        guard unsafe item.epoch < oldest else { return false }
        unsafe item.memory.deallocate()
        return true
      }
      unsafe garbage.bytes = garbage.list.reduce(0) { unsafe $0 + $1.bytes }
    }
  }

  /// Waits until every read that started before this call has ended. The caller is not inside a read.
  func waitForReaders() {
    assert(!isReading, "a reader that waits for itself")
    let epoch = current.add(1, ordering: .sequentiallyConsistent).oldValue
    var turns = 0
    while oldestReader() <= epoch {
      turns += 1
      if turns < 100 { barkv_pause() } else { sleepFor(microseconds: 100) }
    }
  }
}
