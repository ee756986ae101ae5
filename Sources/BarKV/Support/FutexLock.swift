import CBarKV
import Synchronization

/// A mutual-exclusion lock in four bytes, for arrays of thousands of locks.
///
/// Not recursive. Waiters spin briefly, because most holders need well under a microsecond, and then sleep in the
/// kernel, because some wait for a device. The word lives in memory that the creator owns and must outlive every use.
@safe
struct FutexLock {
  /// 0 free, 1 held, 2 held and somebody may sleep.
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  /// How many times a waiter looks at the word before it sleeps: some 2 us.
  private static var spins: Int { 64 }

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
    for _ in 0..<Self.spins {
      barkv_pause()
      if unsafe word.pointee.load(ordering: .relaxed) == 0, tryLock() { return }
    }
    // From here on the word says that somebody sleeps; taking the lock this way may leave it saying so needlessly,
    // which costs one wake call and loses nobody.
    while unsafe word.pointee.exchange(2, ordering: .acquiring) != 0 {
      unsafe barkv_futex_wait(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), 2)
    }
  }

  /// Gives the lock back. The caller holds it.
  @inline(__always)
  func unlock() {
    let previous = unsafe word.pointee.exchange(0, ordering: .releasing)
    assert(previous != 0, "unlock of a free lock")
    if previous == 2 { wake() }
  }

  @inline(never)
  private func wake() {
    unsafe barkv_futex_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), 1)
  }
}
