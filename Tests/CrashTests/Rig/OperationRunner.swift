import Synchronization

@testable import BarKV

/// Carries operations out on a store and records when each begins and what it answers.
final class OperationRunner: Sendable {
  let recorder: EventRecorder
  let table: Locked<ValueTable>
  private let next = Atomic<Int>(0)

  init(recorder: EventRecorder, table: Locked<ValueTable>) {
    self.recorder = recorder
    self.table = table
  }

  /// - Throws: what the store threw, but for refusals, which are answers.
  func perform(_ operation: Operation, on store: Store) throws(StoreError) {
    switch operation {
    case .put(let key, let value):
      try call(.single, [.set(key: key, value: number(value))], operation) { () throws(StoreError) in
        try store.put(value, for: name(key))
        return .done
      }
    case .delete(let key):
      try call(.single, [.remove(key: key)], operation) { () throws(StoreError) in
        .found(try store.delete(name(key)) ? 1 : 0)
      }
    case .batch(let changes):
      var batch = Batch()
      var steps: [OperationStep] = []
      for change in changes {
        if let value = change.value {
          batch.put(value, for: name(change.key))
          steps.append(.set(key: change.key, value: number(value)))
        } else {
          batch.delete(name(change.key))
          steps.append(.remove(key: change.key))
        }
      }
      try call(.batch, steps, operation) { () throws(StoreError) in
        try store.write(batch)
        return .done
      }
    case .compareAndSwap(let key, let new, let isStale):
      let expected: [UInt8]? = isStale ? [0xEE, 0xEE] : try store.get(name(key))
      let step = OperationStep.compareAndSet(key: key, expected: number(expected), new: number(new))
      try call(.single, [step], operation) { () throws(StoreError) in
        .found(try store.compareAndSwap(name(key), expected: expected, new: new) ? 1 : 0)
      }
    case .deferredPut(let key, let value):
      // A value that goes to an extent is durable at once.
      let isImmediate = store.isExtent(keyLength: name(key).count, valueLength: value.count)
      try call(isImmediate ? .single : .deferred, [.set(key: key, value: number(value))], operation) {
        () throws(StoreError) in
        try store.put(value, for: name(key), durability: .deferred)
        return .done
      }
    case .deferredDelete(let key):
      try call(.deferred, [.remove(key: key)], operation) { () throws(StoreError) in
        // Nothing is deferred where nothing is there.
        try store.delete(name(key), durability: .deferred) ? .done : .refused
      }
    case .persist:
      try call(.persist, [], operation) { () throws(StoreError) in
        try store.persist()
        return .done
      }
    case .read(let key):
      try call(.single, [.read(key: key)], operation) { () throws(StoreError) in
        .found(number(try store.get(name(key))))
      }
    case .peerPut(let key, let value, let seed):
      try peerPut(key, value, seed: seed, operation, store)
    case .peerReserve(let key, let value, let seed):
      try peerReserve(key, value, seed: seed, store)
    case .peerFinish(let value, let seed, let commits):
      try peerFinish(value, seed: seed, commits: commits, operation, store)
    case .reopen:
      try call(.persist, [], operation) { () throws(StoreError) in
        try store.close()
        return .done
      }
    case .checkpoint:
      // It changes nothing that anybody sees: there is no answer to judge.
      do throws(StoreError) { try store.checkpoint() } catch { if error != .full { throw error } }
    case .compact:
      do throws(StoreError) { try store.compact() } catch { if error != .full { throw error } }
    case .restart:
      break
    }
  }

  func name(_ key: Int) -> [UInt8] { table.withLock { $0.keys[key] } }

  func number(_ value: [UInt8]?) -> Int {
    guard let value else { return -1 }
    return table.withLock { $0.number(of: value) }
  }

  func call(
    _ kind: TrackedOperation.Kind, _ steps: [OperationStep], _ operation: Operation,
    _ body: () throws(StoreError) -> OperationResult
  ) throws(StoreError) {
    let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
    recorder.append(
      .begin(
        TrackedOperation(
          number: number, kind: kind, steps: steps, label: operation.description, closes: operation == .reopen)))
    let result: OperationResult
    do throws(StoreError) {
      result = try body()
    } catch {
      switch error {
      case .full, .batchTooLarge, .valueTooLarge: result = .refused
      default: throw error
      }
    }
    recorder.append(.acknowledge(operation: number, result))
  }
}
