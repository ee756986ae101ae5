import Dispatch
import Glibc
import Synchronization

/// Runs work on `count` entries on `threads` threads, a contiguous share each, and sums up what the shares answer.
///
/// - Throws: the first error that a share threw.
func inShares(
  of count: Int, threads: Int, _ body: @Sendable (Range<Int>) throws -> UInt64
) throws -> UInt64 {
  guard threads > 1 else { return try body(0..<count) }
  let outcome = Mutex<Result<UInt64, any Error>>(.success(0))
  DispatchQueue.concurrentPerform(iterations: threads) { share in
    let range = (count * share / threads)..<(count * (share + 1) / threads)
    let result = Result { try body(range) }
    outcome.withLock { total in
      total = total.flatMap { sum in result.map { sum &+ $0 } }
    }
  }
  return try outcome.withLock { $0 }.get()
}

/// The nanoseconds that `body` takes per entry, and its answer.
///
/// - Parameter ofProcessor: whether to take what this thread used of a processor, not what passed.
func timed<Answer>(
  entries: Int, ofProcessor: Bool, _ body: () throws -> Answer
) rethrows -> (nanoseconds: Double, answer: Answer) {
  let start = nanoseconds(ofProcessor: ofProcessor)
  let answer = try body()
  return ((nanoseconds(ofProcessor: ofProcessor) - start) / Double(entries), answer)
}

private func nanoseconds(ofProcessor: Bool) -> Double {
  var time = timespec()
  unsafe clock_gettime(ofProcessor ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}
