import Synchronization

/// Calls `body` for 0 to `count` - 1 on all processors, this thread among them, and waits for the end; fewer than `least`
/// calls are made on this thread alone.
///
/// - Parameter threads: how many threads do it, this one among them; as many as there are processors where it is `nil`.
func inParallel(_ count: Int, least: Int = 32, threads: Int? = nil, _ body: @Sendable (Int) -> Void) {
  let helpers = count < least ? 0 : min(threads ?? min(processorCount(), 64), count) - 1
  let next = Counter()
  withoutActuallyEscaping(body) { body in
    let work: @Sendable () -> Void = {
      while true {
        let index = next.take()
        guard index < count else { return }
        body(index)
      }
    }
    let threads = (0..<helpers).compactMap { _ in Thread(work) }
    work()
    for thread in threads { thread.join() }
  }
}

/// Numbers from 0 on, each given out once.
private final class Counter: Sendable {
  private let next = Atomic<Int>(0)
  func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}

/// The results of `body` for 0 to `count` - 1, computed on all processors, or by so many threads.
func parallelMap<T: Sendable>(
  _ count: Int, least: Int = 32, threads: Int? = nil, _ body: @Sendable (Int) -> T
) -> [T] {
  let results = Locked([T?](repeating: nil, count: count))
  inParallel(count, least: least, threads: threads) { index in
    let result = body(index)
    results.withLock { $0[index] = result }
  }
  return results.withLock { $0.compactMap { $0 } }
}
