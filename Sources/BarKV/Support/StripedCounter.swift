import CBarKV
import Synchronization

/// A counter that threads increment without meeting: a pair of cache lines a thread slot.
@safe
struct StripedCounter {
  private static var stride: Int { cachePairSize / 8 }
  private static var slots: Int { Int(BARKV_THREAD_SLOTS) + 1 }
  private static var byteCount: Int { slots * cachePairSize }
  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  init() {
    // Only what a thread counts in, or who asks for the sum, is ever touched.
    unsafe words = allocateZeroed(bytes: Self.byteCount).bindMemory(
      to: Atomic<UInt64>.self, capacity: Self.byteCount / 8)
  }

  /// Frees the memory; no use may follow.
  func deallocate() {
    unsafe freeZeroed(words, bytes: Self.byteCount)
  }

  /// Adds `amount`.
  @inline(__always)
  func add(_ amount: UInt64) {
    let slot = Int(barkv_thread_slot())
    let word = unsafe words + slot * Self.stride
    if slot < Self.slots - 1 {
      // The slot is this thread's alone: a plain addition, atomic only towards readers.
      unsafe word.pointee.store(word.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    } else {
      unsafe word.pointee.wrappingAdd(amount, ordering: .relaxed)
    }
  }

  /// The sum; additions that run at the same time may or may not be in it.
  var value: UInt64 {
    var sum: UInt64 = 0
    for slot in 0..<Self.slots {
      unsafe sum &+= (words + slot * Self.stride).pointee.load(ordering: .relaxed)
    }
    return sum
  }
}
