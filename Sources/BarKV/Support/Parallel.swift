import Dispatch
import Synchronization

/// Calls `body` for 0 to `count` - 1 on all processors and waits for the end; a few calls are made on this thread.
func inParallel(_ count: Int, _ body: @Sendable (Int) -> Void) {
  if count < 4 || processorCount() == 1 {
    for index in 0..<count { body(index) }
  } else {
    DispatchQueue.concurrentPerform(iterations: count, execute: body)
  }
}

/// The results of `body` for 0 to `count` - 1, computed on all processors.
func parallelMap<T: Sendable>(_ count: Int, _ body: @Sendable (Int) -> T) -> [T] {
  let results = Locked([T?](repeating: nil, count: count))
  inParallel(count) { index in
    let result = body(index)
    results.withLock { $0[index] = result }
  }
  return results.withLock { $0.compactMap { $0 } }
}
