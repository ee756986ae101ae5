import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Real threads: a benchmark's writers wait for a device, which a pool of tasks must not.
enum Threads {
  /// Runs `body` on `count` threads at once, with the thread's number; calls `whileWaiting` from time to time until all
  /// have ended.
  ///
  /// - Throws: the first error that a `body` threw, or a ``Failure`` where a thread cannot be made.
  static func run(
    _ count: Int, whileWaiting: () -> Void, _ body: @escaping @Sendable (Int) throws -> Void
  ) throws {
    let jobs = (0..<count).map { Job(number: $0, body: body) }
    var threads: [pthread_t] = []
    defer { for thread in threads { pthread_join(thread, nil) } }
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
        throw Failure(.inputOutput, "thread \(job.number + 1) of \(count) cannot be made")
      }
      threads.append(thread)
    }
    // Short runs end without delay; long ones are not disturbed by this thread.
    var pause: UInt32 = 1
    while !jobs.allSatisfy(\.hasEnded) {
      Platform.sleep(milliseconds: pause)
      pause = min(pause * 2, 64)
      whileWaiting()
    }
    for job in jobs { if let error = job.error { throw error } }
  }

  /// What one thread does.
  private final class Job: Sendable {
    /// The thread's number.
    let number: Int
    /// What it calls.
    private let body: @Sendable (Int) throws -> Void
    /// Whether it has ended, and how.
    private let outcome = Mutex<(ended: Bool, error: (any Error)?)>((false, nil))

    /// A job to be run.
    init(number: Int, body: @escaping @Sendable (Int) throws -> Void) {
      self.number = number
      self.body = body
    }

    /// Runs the job.
    func run() {
      var caught: (any Error)?
      do {
        try body(number)
      } catch {
        caught = error
      }
      let error = caught
      outcome.withLock { $0 = (true, error) }
    }

    /// Whether the job has ended.
    var hasEnded: Bool { outcome.withLock { $0.ended } }
    /// What the job threw.
    var error: (any Error)? { outcome.withLock { $0.error } }
  }
}
