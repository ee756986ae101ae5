import Synchronization

/// Writes that are accepted and neither durable nor visible yet: they wait in memory, so that nothing of them reaches the
/// region before their barrier.
@safe
final class DeferredWrites: @unchecked Sendable {
  // Safe to share: the buffer is under the lock; the count is atomic.

  private let word: UnsafeMutablePointer<Atomic<UInt32>>
  /// Protects ``buffer``. It is taken before a partition's lock, never after one.
  var lock: WriterLock { unsafe WriterLock(word) }
  /// Under the lock.
  var buffer = OperationBuffer()
  /// How many writes wait; may be read without the lock.
  let count = Atomic<Int>(0)

  init() {
    unsafe word = .allocate(capacity: 1)
    unsafe word.initialize(to: Atomic(0))
  }

  deinit {
    unsafe word.deallocate()
  }
}
