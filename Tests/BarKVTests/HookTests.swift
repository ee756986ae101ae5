import Testing

@testable import BarKV

/// Calls upwards, from a part to what owns it.
@Suite struct HookTests {
  @Test func callsWhatWasSetLast() {
    let hook = Hook()
    hook()
    let calls = Locked(0)
    hook.set { calls.withLock { $0 += 1 } }
    hook()
    hook.set { calls.withLock { $0 += 10 } }
    hook()
    hook()
    #expect(calls.withLock { $0 } == 21)
  }

  /// A closure that is wrapped once more by each call overflows the stack when it goes.
  @Test func isTheSameAfterManyCalls() {
    let calls = Locked(0)
    do {
      let hook = Hook()
      hook.set { calls.withLock { $0 += 1 } }
      for _ in 0..<400_000 { hook() }
    }
    #expect(calls.withLock { $0 } == 400_000)
  }
}
