import BarKV
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A path that nothing else uses; what stands there is removed when the last reference goes.
final class TemporaryFile: Sendable {
  private static let counter = Atomic<Int>(0)

  let path: String
  var address: StoreAddress { StoreAddress(path: path) }

  /// - Parameter inMemory: on tmpfs, where barriers cost nothing; else where temporary files are.
  init(inMemory: Bool = true) {
    let number = Self.counter.add(1, ordering: .relaxed).newValue
    let directory = unsafe inMemory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    path = "\(directory)/barkv-test-\(getpid())-\(number)"
  }

  deinit {
    unsafe unlink(path)
  }
}
