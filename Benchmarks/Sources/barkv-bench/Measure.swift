import Dispatch
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
func timed<Answer>(entries: Int, _ body: () throws -> Answer) rethrows -> (nanoseconds: Double, answer: Answer) {
  let clock = SuspendingClock()
  let start = clock.now
  let answer = try body()
  let elapsed = (clock.now - start).components
  let nanoseconds = Double(elapsed.seconds) * 1e9 + Double(elapsed.attoseconds) / 1e9
  return (nanoseconds / Double(entries), answer)
}
