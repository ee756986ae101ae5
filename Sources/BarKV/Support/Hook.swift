/// A place for a call that a part further up the design asks for: parts know only those below them.
///
/// A ``Locked`` of a closure would not do: each look at it, even without a change, leaves the closure wrapped in one more
/// that fits generic code, so that calls become slower for as long as the store lives, and its end overflows the stack.
final class Hook: Sendable {
  private struct Call {
    var body: (@Sendable () -> Void)?
  }
  private let call = Locked(Call())

  /// Has `body` called from here on. It must not keep alive what owns the hook.
  func set(_ body: @escaping @Sendable () -> Void) {
    call.withLock { $0.body = body }
  }

  /// Calls what was set, if anything was; not under the lock.
  func callAsFunction() {
    let body = call.withLock { $0.body }
    body?()
  }
}
