import BarKV
import CRawLoops

/// A call whose cost is guarded, with keys of 16 bytes and values of 100.
enum GuardedCall: String, CaseIterable, Codable {
  case put
  case overwrite
  case delete
  case get
  case miss
  /// 16 gets in one call.
  case getMany
  /// A batch of 32 new keys, with its making.
  case batch
  /// 32 deferred puts of new keys and a `persist()`.
  case deferred

  /// How many entries one call is about.
  var entries: Int {
    switch self {
    case .put, .overwrite, .delete, .get, .miss: 1
    case .getMany: 16
    case .batch, .deferred: 32
    }
  }

  /// What it is called in a report.
  var title: String {
    switch self {
    case .put: "durable put of a new key"
    case .overwrite: "durable overwrite"
    case .delete: "durable delete"
    case .get: "get"
    case .miss: "get of an absent key"
    case .getMany: "16 gets in one call"
    case .batch: "batch of 32 puts"
    case .deferred: "32 deferred puts and a barrier"
    }
  }
}

/// Makes the guarded calls on a store of its own. One thread's.
struct Caller {
  private let store: Store
  private var value = [UInt64](repeating: 0x5a5a_5a5a_5a5a_5a5a, count: 13)
  private var batch = Batch()
  private var nextNew: UInt64 = 1 << 32
  private var nextOld: UInt64 = 0
  private var packed = [UInt64](repeating: 0, count: 2 * GuardedCall.getMany.entries)
  /// What was read, so that no read can be left out.
  private(set) var sum: UInt64 = 0

  /// How many keys the store has before the first call; each call takes others.
  static var keys: UInt64 { 4096 }

  /// Fills a store at `path`, which does not stay behind.
  init(path: String, remove: (String) -> Void) throws {
    var options = StoreOptions()
    options.mapsWholeRegion = true
    store = try Store.create(at: StoreAddress(path: path), size: 64 << 20, options: options, replacing: true)
    remove(path)
    for number in 0..<Self.keys { try put(number) }
  }

  /// Makes one call. The first of a kind makes what lasts: memory that is kept, a thread's slot.
  mutating func make(_ call: GuardedCall) throws {
    switch call {
    case .put: try put(new())
    case .overwrite: try put(old())
    case .delete:
      let key = key(old())
      unsafe sum &+= try store.delete(key.span.bytes) ? 1 : 0
    case .get: try get(old())
    case .miss: try get(new())
    case .getMany: try getMany()
    case .batch:
      for _ in 0..<call.entries {
        let number = new()
        value[0] = number
        let key = key(number)
        let value = value
        unsafe batch.put(value.span.bytes.extracting(first: 100), for: key.span.bytes)
      }
      try store.write(batch)
      batch.removeAll(keepingCapacity: true)
    case .deferred:
      for _ in 0..<call.entries {
        let number = new()
        value[0] = number
        let key = key(number)
        unsafe try store.put(value.span.bytes.extracting(first: 100), for: key.span.bytes, durability: .deferred)
      }
      try store.persist()
    }
  }

  private mutating func new() -> UInt64 {
    nextNew += 1
    return nextNew
  }

  /// A key that is present: no two calls get the same.
  private mutating func old() -> UInt64 {
    nextOld += 1
    return nextOld % Self.keys
  }

  private func key(_ number: UInt64) -> InlineArray<2, UInt64> { [crl_mix(number), number] }

  private mutating func put(_ number: UInt64) throws {
    value[0] = number
    let key = key(number)
    unsafe try store.put(value.span.bytes.extracting(first: 100), for: key.span.bytes)
  }

  private mutating func get(_ number: UInt64) throws {
    let key = key(number)
    let first = unsafe try store.withValue(of: key.span.bytes) { value in
      unsafe value.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt64.self) }
    }
    sum &+= first ?? 0
  }

  private mutating func getMany() throws {
    for item in 0..<GuardedCall.getMany.entries {
      let number = old()
      packed[2 * item] = crl_mix(number)
      packed[2 * item + 1] = number
    }
    var found: UInt64 = 0
    unsafe try store.withValues(ofKeys: packed.span.bytes, length: 16) { _, value in
      guard let value else { return }
      unsafe found &+= value.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt64.self) }
    }
    sum &+= found
  }
}
