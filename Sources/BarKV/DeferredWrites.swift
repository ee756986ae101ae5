import Synchronization

/// Writes that are accepted and neither durable nor visible yet: they wait in memory, so that nothing of them reaches the
/// region before their barrier.
@safe
final class DeferredWrites: @unchecked Sendable {
  // Safe to share: the buffer is under the lock; the count is atomic.

  private let word: UnsafeMutablePointer<Atomic<UInt32>>
  /// Protects ``buffer``. It is taken before a partition's lock, never after one.
  var lock: WriterLock { unsafe WriterLock(word) }
  private let storage: UnsafeMutablePointer<OperationBuffer>
  /// Under the lock. In memory of its own: of a stored property each access would be checked to be the only one.
  var buffer: OperationBuffer {
    @inline(__always) _read { yield unsafe storage.pointee }
    @inline(__always) _modify { yield unsafe &storage.pointee }
  }
  /// How many writes wait; may be read without the lock.
  let count = Atomic<Int>(0)

  init() {
    unsafe word = .allocate(capacity: 1)
    unsafe word.initialize(to: Atomic(0))
    unsafe storage = .allocate(capacity: 1)
    unsafe storage.initialize(to: OperationBuffer())
  }

  deinit {
    unsafe storage.deinitialize(count: 1)
    unsafe storage.deallocate()
    unsafe word.deallocate()
  }
}
