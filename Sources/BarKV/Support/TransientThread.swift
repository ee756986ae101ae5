/// A thread that is there while there is work: what its owner keeps of it, under a lock of the owner's.
///
/// The thread looks for work under that lock, and calls ``ended()`` there where it finds none: so nothing that is asked for
/// later is missed.
struct TransientThread: Sendable {
  /// At work, or done and not yet waited for.
  private var thread: Thread?
  private(set) var isWorking = false
  private(set) var isStopped = false

  /// Starts it with `body`, unless it works or was stopped; returns at once.
  mutating func start(_ body: @escaping @Sendable () -> Void) {
    guard !isStopped, !isWorking else { return }
    // It has ended, or is about to: nothing is waited for here that takes time.
    thread?.join()
    thread = Thread(body)
    isWorking = thread != nil
  }

  /// The thread has found no work, and takes the lock no more.
  mutating func ended() { isWorking = false }

  /// Sees to it that it does not start again; what is to be waited for, without the lock.
  mutating func stop() -> Thread? {
    isStopped = true
    defer { thread = nil }
    return thread
  }
}
