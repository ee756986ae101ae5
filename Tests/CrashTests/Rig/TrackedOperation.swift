/// What one step of an operation does to one key. Values are numbers of a ``ValueTable``, -1 for an absent key.
enum OperationStep: Hashable, Sendable {
  case set(key: Int, value: Int)
  case remove(key: Int)
  case compareAndSet(key: Int, expected: Int, new: Int)
  case read(key: Int)

  var key: Int {
    switch self {
    case .set(let key, _), .remove(let key), .compareAndSet(let key, _, _), .read(let key): key
    }
  }

  var isRead: Bool {
    if case .read = self { true } else { false }
  }
}

/// An operation as the checker sees it.
struct TrackedOperation: Sendable {
  enum Kind: Sendable {
    /// One step.
    case single
    /// Several steps that readers may see one by one, and a crash keeps all or none of.
    case batch
    /// One step that takes effect at some later time, after those deferred before it.
    case deferred
    /// No step: everything that was deferred before it has taken effect when it is acknowledged.
    case persist
  }

  var number: Int
  var kind: Kind
  var steps: [OperationStep]
  /// For a message.
  var label: String
  /// Whether it closes the store.
  var closes = false
}

/// What a call answered.
enum OperationResult: Sendable, Equatable {
  /// It was carried out, and its answer says nothing.
  case done
  /// It was carried out, and found this: 1 or 0 for whether, or a value's number.
  case found(Int)
  /// It was refused and changed nothing.
  case refused
}
