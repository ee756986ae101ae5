import Foundation
import Synchronization

/// Threads that begin together.
final class Team: Sendable {
  let count: Int
  private let waiting = Atomic<Int>(0)
  private let results = Mutex<[Result<Tally, any Error>?]>([])
  private let done = DispatchSemaphore(value: 0)

  private init(count: Int) {
    self.count = count
    results.withLock { $0 = Array(repeating: nil, count: count) }
  }

  /// Runs `body` on `count` threads, each with its number; what each answers. A body calls `begin()` where its preparations
  /// end and what is timed begins.
  static func run(count: Int, _ body: @escaping @Sendable (Int, Team) throws -> Tally) throws -> [Tally] {
    let team = Team(count: count)
    for number in 0..<count {
      let thread = Thread {
        let result = Result { try body(number, team) }
        // Whoever failed before the start may not keep the others waiting.
        if case .failure = result { team.waiting.add(count, ordering: .relaxed) }
        team.results.withLock { $0[number] = result }
        team.done.signal()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    for _ in 0..<count { team.done.wait() }
    return try team.results.withLock { try $0.compactMap { try $0?.get() } }
  }

  /// Waits until all are here.
  func begin() {
    waiting.add(1, ordering: .acquiringAndReleasing)
    while waiting.load(ordering: .acquiring) < count { sched_yield() }
  }
}
