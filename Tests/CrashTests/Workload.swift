@testable import BarKV

typealias Contents = [[UInt8]: [UInt8]]

/// One operation of a workload, with all it needs to be carried out and to be foretold.
enum Operation {
  case put([UInt8], [UInt8])
  case delete([UInt8])
  case batch([([UInt8], [UInt8]?)])
  case compareAndSwap([UInt8], [UInt8]?)
  /// Deferred writes and the barrier that persists them.
  case deferred([([UInt8], [UInt8]?)])
  case reopen

  /// The contents that a crash during the operation may leave, the last being those after it.
  func outcomes(from contents: Contents) -> [Contents] {
    switch self {
    case .put(let key, let value):
      return [contents, contents.merging([key: value]) { $1 }]
    case .delete(let key):
      return [contents, contents.filter { $0.key != key }]
    case .compareAndSwap(let key, let value):
      var after = contents
      after[key] = value
      return [contents, after]
    case .batch(let changes):
      var after = contents
      for (key, value) in changes { after[key] = value }
      return [contents, after]
    case .deferred(let changes):
      // A prefix may survive.
      var states = [contents]
      for (key, value) in changes {
        var next = states[states.count - 1]
        next[key] = value
        states.append(next)
      }
      return states
    case .reopen:
      return [contents]
    }
  }

  /// Carries the operation out; `false` where the store is full, and then nothing has changed.
  func perform(on store: Store, contents: Contents) throws -> Bool {
    do {
      switch self {
      case .put(let key, let value): try store.put(value, for: key)
      case .delete(let key): try store.delete(key)
      case .compareAndSwap(let key, let value):
        guard try store.compareAndSwap(key, expected: contents[key], new: value) else {
          throw StoreError.corrupt("a compare-and-swap did not see the last value")
        }
      case .batch(let changes):
        var batch = Batch()
        for (key, value) in changes {
          if let value { batch.put(value, for: key) } else { batch.delete(key) }
        }
        try store.write(batch)
      case .deferred(let changes):
        for (key, value) in changes {
          if let value {
            try store.put(value, for: key, durability: .deferred)
          } else {
            try store.delete(key, durability: .deferred)
          }
        }
        try store.persist()
      case .reopen: break
      }
      return true
    } catch StoreError.full {
      return false
    } catch StoreError.batchTooLarge {
      return false
    }
  }

  static func random(
    using generator: inout SeededGenerator, keys: Int, contents: Contents, longest: Int
  ) -> Operation {
    func key() -> [UInt8] { Array("key\(Int.random(in: 0..<keys, using: &generator))".utf8) }
    func value() -> [UInt8] {
      let length =
        Int.random(in: 0..<10, using: &generator) == 0
        ? Int.random(in: 0...longest, using: &generator) : Int.random(in: 0...150, using: &generator)
      let fill = UInt8.random(in: 0...255, using: &generator)
      return (0..<length).map { fill &+ UInt8(truncatingIfNeeded: $0) }
    }
    func changes(_ count: Int) -> [([UInt8], [UInt8]?)] {
      (0..<count).map { _ in (key(), Int.random(in: 0..<4, using: &generator) == 0 ? nil : value()) }
    }
    switch Int.random(in: 0..<20, using: &generator) {
    case 0..<8: return .put(key(), value())
    case 8..<12: return .delete(contents.keys.randomElement(using: &generator) ?? key())
    case 12..<15: return .batch(changes(Int.random(in: 1...12, using: &generator)))
    case 15..<16: return .compareAndSwap(key(), Bool.random(using: &generator) ? nil : value())
    case 16..<18: return .deferred(changes(Int.random(in: 1...8, using: &generator)))
    default: return .reopen
    }
  }
}

extension Store {
  /// Everything in the store.
  func contents() throws -> Contents {
    var result: Contents = [:]
    try forEach { (key: RawSpan, value: RawSpan) in
      let name = unsafe key.withUnsafeBytes { unsafe Array($0) }
      result[name] = unsafe value.withUnsafeBytes { unsafe Array($0) }
    }
    return result
  }
}
