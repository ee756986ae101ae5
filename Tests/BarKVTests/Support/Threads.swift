@testable import BarKV
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Real threads: tests wait for each other in ways that a pool of as many threads as processors must not.
enum Threads {
  /// Why threads could not be made.
  struct Failure: Error {
    let code: Int32
  }

  /// Runs `body` on `count` threads at once, with the thread's number, and waits for all.
  ///
  /// - Throws: the first error, by the threads' numbers, that a `body` threw.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let jobs = (0..<count).map { Job(number: $0, body: body) }
    var threads: [pthread_t] = []
    var failure: Failure?
    for job in jobs {
      var thread = pthread_t()
      let context = unsafe Unmanaged.passRetained(job)
      let code = unsafe pthread_create(
        &thread, nil,
        { context in
          guard let context = unsafe context else { return nil }
          unsafe Unmanaged<Job>.fromOpaque(context).takeRetainedValue().run()
          return nil
        }, context.toOpaque())
      guard code == 0 else {
        unsafe context.release()
        failure = Failure(code: code)
        break
      }
      threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
    if let failure { throw failure }
    for job in jobs { if let error = job.error { throw error } }
  }

  /// Calls `body` with 0 to `count` - 1 on all processors, in any order, and waits for the end.
  ///
  /// - Throws: an error that a `body` threw; the thread that threw does no more.
  static func forEach(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let next = Counter()
    try run(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) { _ in
      while true {
        let number = next.take()
        guard number < count else { return }
        try body(number)
      }
    }
  }

  /// Gives out 0, 1, 2 …
  private final class Counter: Sendable {
    private let next = Atomic<Int>(0)

    func take() -> Int {
      next.add(1, ordering: .relaxed).oldValue
    }
  }

  /// What one thread does.
  private final class Job: Sendable {
    private let number: Int
    private let body: @Sendable (Int) throws -> Void
    private let failure = Locked<(any Error)?>(nil)

    init(number: Int, body: @escaping @Sendable (Int) throws -> Void) {
      self.number = number
      self.body = body
    }

    func run() {
      do {
        try body(number)
      } catch {
        let caught = error
        failure.withLock { $0 = caught }
      }
    }

    var error: (any Error)? { failure.withLock { $0 } }
  }
}
