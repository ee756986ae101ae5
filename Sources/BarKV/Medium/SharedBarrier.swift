import CBarKV
import Synchronization

/// Shares barriers that take about a microsecond and cover everything, as a read from a device does. Up to two run at the same
/// time, as a bus carries more than one read; whoever arrives while two do waits for one of them to end, and then for the next,
/// which covers all who have arrived by then. One of them leads it.
///
/// Nobody waits for more than a barrier in flight and the one after it. A barrier in flight is waited for without sleeping,
/// as long as barriers have lately taken, twice over: to fall asleep and be woken would take far longer than that.
///
/// For barriers that take milliseconds, and cover a range, there is ``GroupBarrier``.
@safe
final class SharedBarrier: @unchecked Sendable {
  // Safe to share: all words are atomic, the failure is under a lock.

  /// Words that different threads write, on lines of their own.
  private enum Word {
    /// How many have arrived.
    static let arrived = 0
    /// How many of them a barrier has covered, in the order of arrival.
    static let covered = 8
    /// How many lead.
    static let leaders = 16
    /// How many of those who have arrived a barrier covers that is done or runs.
    static let begun = 40
    /// How long barriers lately took, in nanoseconds.
    static let duration = 24
    /// How many sleep, or are about to.
    static let sleepers = 32
    static let count = 48
  }

  /// How many barriers run at the same time.
  private static var mostLeaders: UInt64 { 2 }
  /// The longest wait without sleeping.
  private static var longestSpin: UInt64 { 20_000 }
  /// How often a waiter looks before it looks at the clock.
  private static var looksPerClock: Int { 32 }

  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  /// Changes with each barrier; sleepers wait on it.
  private let turn: UnsafeMutablePointer<Atomic<UInt32>>
  private let failure = Locked<StoreError?>(nil)
  private let hasFailed = Atomic<Bool>(false)

  init() {
    unsafe words = allocateAtomicWords(Word.count, stride: 1)
    unsafe turn = .allocate(capacity: 1)
    unsafe turn.initialize(to: Atomic(0))
  }

  deinit {
    unsafe words.deallocate()
    unsafe turn.deallocate()
  }

  private func word(_ place: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { unsafe words + place }

  /// Returns once a barrier that started after this call is done.
  ///
  /// The caller has fenced its own stores. `perform` is called on some of the callers' threads, on two at once too.
  ///
  /// - Throws: what `perform` threw, to all whom its barrier should have covered, and to everybody after them.
  func join(_ perform: () throws(StoreError) -> Void) throws(StoreError) {
    // A locked instruction: what this thread stored, past the cache too, is on its way before it counts as arrived. A fence
    // of stores alone would let the number be seen first, by a leader whose read then would not push them.
    let mine = unsafe word(Word.arrived).pointee.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
    if Mutant.sharesRunningBarrier.isActive, try waitForRunningOne() { return }
    var patience = Patience()
    while true {
      if unsafe word(Word.covered).pointee.load(ordering: .acquiring) >= mine { return }
      if hasFailed.load(ordering: .acquiring) { throw failure.withLock { $0 } ?? .outcomeUnknown("a barrier failed") }
      if hasToLead(mine), takeLead(), try lead(mine, perform) { return }
      if patience.isOver(limit: spinLimit) { sleepUnlessCovered(mine) } else { barkv_pause() }
    }
  }

  /// How many calls there were.
  var arrivals: UInt64 { unsafe word(Word.arrived).pointee.load(ordering: .acquiring) }

  /// Whether no barrier runs that covers this call, and there is room for one more.
  private func hasToLead(_ mine: UInt64) -> Bool {
    unsafe word(Word.begun).pointee.load(ordering: .sequentiallyConsistent) < mine
      && word(Word.leaders).pointee.load(ordering: .sequentiallyConsistent) < Self.mostLeaders
  }

  private func takeLead() -> Bool {
    let leaders = unsafe word(Word.leaders)
    let found = unsafe leaders.pointee.load(ordering: .relaxed)
    guard found < Self.mostLeaders else { return false }
    return unsafe leaders.pointee.compareExchange(
      expected: found, desired: found + 1, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Leads a barrier, and gives the lead back; whether this call is covered now.
  private func lead(_ mine: UInt64, _ perform: () throws(StoreError) -> Void) throws(StoreError) -> Bool {
    defer {
      unsafe _ = word(Word.leaders).pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      unsafe turn.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
      if unsafe word(Word.sleepers).pointee.load(ordering: .sequentiallyConsistent) > 0 {
        unsafe barkv_futex_wake(UnsafeRawPointer(turn).assumingMemoryBound(to: UInt32.self), Int32.max)
      }
    }
    // Before the barrier starts: who arrives later is not covered by it.
    let all = unsafe word(Word.arrived).pointee.load(ordering: .sequentiallyConsistent)
    // Somebody else may have begun one meanwhile that covers this call: then it waits for that.
    guard begin(mine, covering: all) else { return false }
    let began = monotonicNanoseconds()
    do throws(StoreError) { try perform() } catch {
      failure.withLock { $0 = error }
      hasFailed.store(true, ordering: .releasing)
      throw error
    }
    unsafe _ = word(Word.covered).pointee.max(all, ordering: .sequentiallyConsistent)
    let duration = unsafe word(Word.duration)
    // An eighth of the newest, seven of what was; of two leaders' one may be lost.
    let before = unsafe duration.pointee.load(ordering: .relaxed)
    unsafe duration.pointee.store((before * 7 + (monotonicNanoseconds() - began)) / 8, ordering: .relaxed)
    return true
  }

  /// Says that a barrier begins that covers `all`, unless one that covers `mine` has begun already: whoever reads the word waits
  /// for a barrier, so that it must not be raised without one.
  private func begin(_ mine: UInt64, covering all: UInt64) -> Bool {
    let begun = unsafe word(Word.begun)
    var found = unsafe begun.pointee.load(ordering: .sequentiallyConsistent)
    while found < mine {
      let result = unsafe begun.pointee.compareExchange(
        expected: found, desired: all, ordering: .sequentiallyConsistent)
      if result.exchanged { return true }
      found = result.original
    }
    return false
  }

  // MARK: Waiting

  /// How long a wait may go on without sleeping: the barrier in flight and the next, and a little.
  private var spinLimit: UInt64 {
    let duration = unsafe word(Word.duration).pointee.load(ordering: .relaxed)
    return duration * 2 > Self.longestSpin ? 0 : duration * 2 + 2_000
  }

  /// Counts how long somebody has waited without sleeping.
  private struct Patience {
    private var looks = 0
    private var began: UInt64 = 0

    mutating func isOver(limit: UInt64) -> Bool {
      looks += 1
      if looks == 1 { began = monotonicNanoseconds() }
      if limit == 0 { return true }
      return looks % SharedBarrier.looksPerClock == 0 && monotonicNanoseconds() - began > limit
    }
  }

  private func sleepUnlessCovered(_ mine: UInt64) {
    unsafe _ = word(Word.sleepers).pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
    defer { unsafe _ = word(Word.sleepers).pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    let seen = unsafe turn.pointee.load(ordering: .sequentiallyConsistent)
    // Looked at after the turn: whoever ends a barrier from here on changes it, and this thread does not sleep.
    if unsafe word(Word.covered).pointee.load(ordering: .sequentiallyConsistent) >= mine { return }
    if hasToLead(mine) || hasFailed.load(ordering: .sequentiallyConsistent) { return }
    unsafe barkv_futex_wait(UnsafeRawPointer(turn).assumingMemoryBound(to: UInt32.self), seen)
  }

  /// For a mutant: takes the barrier that is running for this call's own; whether one was.
  private func waitForRunningOne() throws(StoreError) -> Bool {
    let seen = unsafe turn.pointee.load(ordering: .sequentiallyConsistent)
    guard unsafe word(Word.leaders).pointee.load(ordering: .sequentiallyConsistent) != 0 else { return false }
    while unsafe turn.pointee.load(ordering: .sequentiallyConsistent) == seen { barkv_pause() }
    if hasFailed.load(ordering: .acquiring) { throw failure.withLock { $0 } ?? .outcomeUnknown("a barrier failed") }
    return true
  }
}
