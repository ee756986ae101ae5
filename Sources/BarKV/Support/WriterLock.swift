import CBarKV
import Synchronization

/// A mutual-exclusion lock in four bytes, for arrays of thousands of locks that are hardly ever contended.
///
/// Unlocking is a plain store. A locked instruction there would hold back the next operation's first cache misses until
/// this one's fence is done, which costs more than anything else in a put. The price is that nobody is woken: a waiter
/// spins for about 2 us and then sleeps in growing steps, up to 100 us at a time.
///
/// Not recursive, not fair. The word lives in memory that the creator owns and must outlive every use.
@safe
struct WriterLock {
  /// 0 free, 1 held.
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  private static var spins: Int { 64 }
  private static var longestSleep: UInt32 { 100 }

  init(_ word: UnsafeMutablePointer<Atomic<UInt32>>) {
    unsafe self.word = word
  }

  /// Takes the lock if it is free.
  @inline(__always)
  func tryLock() -> Bool {
    unsafe word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
  }

  /// Takes the lock, waiting as long as it is held.
  @inline(__always)
  func lock() {
    if !tryLock() { lockSlowly() }
  }

  @inline(never)
  private func lockSlowly() {
    var turns = 0
    var sleep: UInt32 = 5
    while true {
      if unsafe word.pointee.load(ordering: .relaxed) == 0, tryLock() { return }
      if turns < Self.spins {
        barkv_pause()
      } else {
        sleepFor(microseconds: sleep)
        sleep = min(sleep * 2, Self.longestSleep)
      }
      turns += 1
    }
  }

  /// Gives the lock back. The caller holds it.
  @inline(__always)
  func unlock() {
    assert(unsafe word.pointee.load(ordering: .relaxed) == 1, "unlock of a free lock")
    unsafe word.pointee.store(0, ordering: .releasing)
  }
}
