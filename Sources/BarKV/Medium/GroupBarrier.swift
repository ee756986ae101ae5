import CBarKV
import Synchronization

/// Shares slow barriers: of the writers that arrive while a barrier runs, one leads the next, and its barrier covers what
/// all of them appended before it.
///
/// Nobody waits for more than the barrier in flight and the one after it.
@safe
final class GroupBarrier: @unchecked Sendable {
  // Safe to share: all state is under the mutex; the futex word is atomic.

  private struct State {
    /// The number of the barrier that newcomers join.
    var collecting: UInt64 = 1
    /// The number of the last barrier that is done.
    var completed: UInt64 = 0
    /// Whether a leader is at work.
    var isLed = false
    /// What the barrier being collected has to cover.
    var range: Range<Int>?
    /// The first failure; it stays.
    var failure: StoreError?
  }

  private let state = Locked(State())
  /// Changes with each barrier done; sleepers wait on it.
  private let turn: UnsafeMutablePointer<Atomic<UInt32>>

  init() {
    unsafe turn = .allocate(capacity: 1)
    unsafe turn.initialize(to: Atomic(0))
  }

  deinit {
    unsafe turn.deallocate()
  }

  private enum Step {
    case done
    case lead(number: UInt64, range: Range<Int>)
    case sleep(UInt32)
  }

  /// Returns once a barrier that started after this call covers `range`.
  ///
  /// The caller has fenced its own stores. `perform` is called on one of the callers' threads, never on two at once.
  ///
  /// - Throws: what `perform` threw, to all whom its barrier should have covered, and to everybody after them.
  func join(_ range: Range<Int>, perform: (Range<Int>) throws(StoreError) -> Void) throws(StoreError) {
    let mine = state.withLock { state in
      let known = Mutant.sharedBarrierOfLastRange.isActive ? nil : state.range
      state.range = known.map { Self.union($0, range) } ?? range
      return Mutant.sharesRunningBarrier.isActive && state.isLed ? state.collecting - 1 : state.collecting
    }
    while true {
      let step: Result<Step, StoreError> = state.withLock { state in
        if let failure = state.failure { return .failure(failure) }
        if state.completed >= mine { return .success(.done) }
        guard !state.isLed, let range = state.range else {
          return .success(.sleep(unsafe turn.pointee.load(ordering: .acquiring)))
        }
        state.isLed = true
        state.range = nil
        state.collecting += 1
        return .success(.lead(number: state.collecting - 1, range: range))
      }
      switch try step.get() {
      case .done:
        return
      case .sleep(let seen):
        unsafe barkv_futex_wait(UnsafeRawPointer(turn).assumingMemoryBound(to: UInt32.self), seen)
      case .lead(let number, let range):
        var failure: StoreError?
        do throws(StoreError) { try perform(range) } catch { failure = error }
        state.withLock { state in
          state.isLed = false
          if let failure { state.failure = failure } else { state.completed = number }
        }
        unsafe turn.pointee.wrappingAdd(1, ordering: .releasing)
        unsafe barkv_futex_wake(UnsafeRawPointer(turn).assumingMemoryBound(to: UInt32.self), Int32.max)
      }
    }
  }

  private static func union(_ first: Range<Int>, _ second: Range<Int>) -> Range<Int> {
    min(first.lowerBound, second.lowerBound)..<max(first.upperBound, second.upperBound)
  }
}
