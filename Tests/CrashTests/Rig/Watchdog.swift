import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

@testable import BarKV

/// Ends the process when a worker has judged no state for too long: something hangs.
final class Watchdog: Sendable {
  private struct State {
    var runs: [Int: (run: Int, since: UInt64)] = [:]
    var isStopped = false
    var thread: Thread?
  }

  private let state = Locked(State())
  private let limit: UInt64

  init(seconds: UInt64 = 60) {
    limit = seconds * 1_000_000_000
  }

  /// Notes that the worker has got on.
  func note(_ worker: Int, run: Int) {
    let now = monotonicNanoseconds()
    state.withLock { $0.runs[worker] = (run, now) }
  }

  /// Notes that the worker judges nothing now.
  func rest(_ worker: Int) {
    state.withLock { _ = $0.runs.removeValue(forKey: worker) }
  }

  func start() {
    let thread = Thread { [self] in watch() }
    state.withLock { $0.thread = thread }
  }

  func stop() {
    let thread = state.withLock { state in
      state.isStopped = true
      return state.thread
    }
    thread?.join()
  }

  private func watch() {
    while true {
      sleepFor(microseconds: 100_000)
      let now = monotonicNanoseconds()
      let hanging: Int? = state.withLock { state in
        if state.isStopped { return -1 }
        return state.runs.values.first { now > $0.since && now - $0.since > limit }?.run
      }
      guard let hanging else { continue }
      if hanging == -1 { return }
      print("run \(hanging) hangs: no state judged for \(limit / 1_000_000_000) seconds")
      exit(1)
    }
  }
}
