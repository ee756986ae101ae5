@testable import BarKV

/// One operation of a workload. Keys are numbers; everything else is what it needs to be carried out.
enum Operation: Sendable, Hashable {
  case put(key: Int, value: [UInt8])
  case delete(key: Int)
  /// A `nil` value deletes.
  case batch([Change])
  /// Expects the value that a read before it finds; `isStale` expects another.
  case compareAndSwap(key: Int, new: [UInt8]?, isStale: Bool)
  case deferredPut(key: Int, value: [UInt8])
  case deferredDelete(key: Int)
  case persist
  case read(key: Int)
  /// Reserves, has a device write the value in pieces as the seed says, commits.
  case peerPut(key: Int, value: [UInt8], seed: UInt64)
  /// Reserves, has a device write some of the value, and leaves it at that.
  case peerReserve(key: Int, value: [UInt8], seed: UInt64)
  /// Ends the oldest reservation: has a device write the value, as far as there is room for it, and commits; or abandons it.
  case peerFinish(value: [UInt8], seed: UInt64, commits: Bool)
  /// What the store does by itself, asked for.
  case checkpoint
  case compact
  /// Closes the store and opens it.
  case reopen
  /// Opens the store as a process does that finds it not closed.
  case restart

  struct Change: Sendable, Hashable {
    var key: Int
    var value: [UInt8]?
  }

  /// Whether several threads may call it at once.
  var isConcurrent: Bool {
    switch self {
    case .put, .delete, .batch, .compareAndSwap, .read, .checkpoint, .compact, .peerPut: true
    case .peerReserve, .peerFinish, .deferredPut, .deferredDelete, .persist, .reopen, .restart: false
    }
  }
}

extension Operation: CustomStringConvertible {
  var description: String {
    func length(_ value: [UInt8]?) -> String { value.map { "\($0.count) bytes" } ?? "nothing" }
    return switch self {
    case .put(let key, let value): "put(\(key), \(length(value)))"
    case .delete(let key): "delete(\(key))"
    case .batch(let changes):
      "batch(\(changes.map { "\($0.key): \(length($0.value))" }.joined(separator: ", ")))"
    case .compareAndSwap(let key, let new, let isStale):
      "compareAndSwap(\(key), \(length(new))\(isStale ? ", stale" : ""))"
    case .deferredPut(let key, let value): "deferredPut(\(key), \(length(value)))"
    case .deferredDelete(let key): "deferredDelete(\(key))"
    case .persist: "persist"
    case .peerPut(let key, let value, _): "peerPut(\(key), \(length(value)))"
    case .peerReserve(let key, let value, _): "peerReserve(\(key), \(length(value)))"
    case .peerFinish(let value, _, let commits): commits ? "peerFinish(\(length(value)))" : "peerFinish(abandons)"
    case .read(let key): "read(\(key))"
    case .checkpoint: "checkpoint"
    case .compact: "compact"
    case .reopen: "reopen"
    case .restart: "restart"
    }
  }
}
