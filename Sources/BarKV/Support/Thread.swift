#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread that runs one closure and is waited for.
///
/// A POSIX thread, and no dispatch queue: queues do not work in a forked child, which may open stores of its own.
@safe
struct Thread: @unchecked Sendable {
  // Safe to share: the identifier never changes; whoever joins does so once.

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let identifier: pthread_t

  /// Starts a thread that calls `body`; `nil` where the system has no thread to give.
  init?(_ body: @escaping @Sendable () -> Void) {
    var identifier = pthread_t()
    let argument = unsafe Unmanaged.passRetained(Body(body))
    let code = unsafe pthread_create(
      &identifier, nil,
      { argument in
        unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    guard code == 0 else {
      unsafe argument.release()
      return nil
    }
    self.identifier = identifier
  }

  /// Waits for the thread's end. To be called once.
  func join() {
    pthread_join(identifier, nil)
  }
}
