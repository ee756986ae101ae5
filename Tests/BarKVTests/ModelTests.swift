import Testing

@testable import BarKV

/// Random work on a store and on a dictionary, which must agree at every step: through closes, crashes, read-only opens,
/// full stores, on tiny and on ordinary regions.
@Suite struct ModelTests {
  /// A region, and how much is done on it.
  struct Setting: Sendable, CustomTestStringConvertible {
    var size: Int
    var segmentSize: Int?
    var domain = PersistenceDomain.processOnly
    var keys: Int
    var steps: Int
    var rounds: Int

    var testDescription: String {
      "\(size) bytes, segments of \(segmentSize.map(String.init) ?? "their own size"), \(domain.rawValue)"
    }
  }

  static let settings = [
    Setting(size: 8 << 10, keys: 10, steps: 80, rounds: 150),
    Setting(size: 8 << 10, domain: .cacheFlush, keys: 20, steps: 80, rounds: 80),
    Setting(size: 20 << 10, segmentSize: 2 << 10, keys: 10, steps: 60, rounds: 80),
    Setting(size: 40 << 10, segmentSize: 4 << 10, keys: 20, steps: 100, rounds: 80),
    Setting(size: 64 << 10, keys: 60, steps: 300, rounds: 10),
    Setting(size: 640 << 10, segmentSize: 64 << 10, keys: 60, steps: 300, rounds: 6),
    Setting(size: 1 << 20, segmentSize: 1 << 10, keys: 200, steps: 500, rounds: 2),
    Setting(size: 1 << 20, domain: .cacheFlush, keys: 300, steps: 1000, rounds: 3),
    Setting(size: 16 << 20, keys: 1000, steps: 1500, rounds: 1),
  ]

  @Test(arguments: settings) func agreesWithADictionary(setting: Setting) throws {
    for seed in Seeds.rounds(setting.rounds) {
      Seeds.announce(seed)
      var run = try ModelRun(setting, seed: seed)
      for step in 0..<setting.steps {
        try run.step()
        if step % max(40, setting.steps / 8) == 0 { try run.compare() }
      }
      try run.compare()
    }
  }
}

/// One store with the dictionary that foretells it.
private struct ModelRun {
  private let setting: ModelTests.Setting
  private let seed: UInt64
  private var generator: SeededGenerator
  private var region: Region
  private var store: Store
  private var options = StoreOptions()
  /// What the store shows, and a crash leaves.
  private var contents: Contents = [:]
  /// Deferred writes that wait, in their order; `nil` is a delete.
  private var waiting: [(key: [UInt8], value: [UInt8]?)] = []

  init(_ setting: ModelTests.Setting, seed: UInt64) throws {
    self.setting = setting
    self.seed = seed
    generator = SeededGenerator(seed: seed)
    region = Region(size: setting.size)
    options.maximumLanes = [1, 3, 16].randomElement(using: &generator) ?? 16
    options.deferredBytes = [0, 300, 1 << 20].randomElement(using: &generator) ?? 0
    options.verifiesReads = generator.oneIn(2)
    var creation = options
    creation.segmentSize = setting.segmentSize
    store = try region.create(
      segmentSize: setting.segmentSize, seed: seed, domain: setting.domain, options: creation)
  }

  // MARK: Steps

  mutating func step() throws {
    let key = randomKey()
    switch generator.below(100) {
    case 0..<35:
      let value = randomValue()
      let store = store
      try write([(key, value)]) { try store.put(value, for: key) }
    case 35..<50: try delete(key)
    case 50..<60: try writeBatch()
    case 60..<68: try compareAndSwap(key)
    case 68..<73: try update(key)
    case 73..<81: try writeDeferred(key)
    case 81..<84:
      let store = store
      try write([]) { try store.persist() }
    case 84..<92:
      #expect(try store.get(key) == contents[key], "seed \(seed)")
      #expect(try store.contains(key) == (contents[key] != nil), "seed \(seed)")
      let keys = (0..<generator.below(40)).map { _ in randomKey() }
      #expect(try store.values(for: keys) == keys.map { contents[$0] }, "seed \(seed)")
    case 92..<95: try crash()
    case 95..<98: try closeAndOpen()
    default: try openReadOnly()
    }
  }

  /// Makes a write whose changes are known; the store does all of it or, where it is full, nothing.
  private mutating func write(_ changes: [(key: [UInt8], value: [UInt8]?)], _ body: () throws -> Void) throws {
    let done = try isDone(body)
    // What was deferred comes first; a write that is refused may have been so before or after that.
    if done || isNothingWaiting { applyWaiting() }
    if done { apply(changes) }
  }

  private var isNothingWaiting: Bool { store.deferredWrites.count.load(ordering: .relaxed) == 0 }

  private mutating func applyWaiting() {
    apply(waiting)
    waiting = []
  }

  private mutating func apply(_ changes: [(key: [UInt8], value: [UInt8]?)]) {
    for change in changes { contents[change.key] = change.value }
  }

  private mutating func delete(_ key: [UInt8]) throws {
    let store = store
    var existed: Bool?
    let isBlocked = !isNothingWaiting
    try write([(key, nil)]) { existed = try store.delete(key) }
    if existed == nil {
      // A full store still deletes; only writes that were deferred before can stand in the way.
      #expect(isBlocked, "seed \(seed): a delete was refused")
    }
  }

  private mutating func writeBatch() throws {
    var changes: [(key: [UInt8], value: [UInt8]?)] = []
    var batch = Batch()
    for _ in 0..<generator.below(12) {
      let key = randomKey()
      if generator.oneIn(3) {
        batch.delete(key)
        changes.append((key, nil))
      } else {
        let value = randomValue()
        batch.put(value, for: key)
        changes.append((key, value))
      }
    }
    let store = store
    do {
      try write(changes) { try store.write(batch) }
    } catch StoreError.batchTooLarge {
      applyWaiting()
    }
  }

  /// Persists what was deferred, which a conditional write sees, too; whether nothing is left waiting. What a full store
  /// refuses now it may take an instant later, as maintenance works beside: nobody could tell what a write then finds.
  private mutating func persistsAll() throws -> Bool {
    let store = store
    try write([]) { try store.persist() }
    return isNothingWaiting
  }

  private mutating func compareAndSwap(_ key: [UInt8]) throws {
    let store = store
    guard try persistsAll() else { return }
    let current = contents[key]
    let new = generator.oneIn(4) ? nil : randomValue()
    let isRight = !generator.oneIn(4)
    let expected = isRight ? current : (current.map { $0 + [0] } ?? [])
    var swapped: Bool?
    try write(isRight ? [(key, new)] : []) {
      swapped = try store.compareAndSwap(key, expected: expected, new: new)
    }
    if let swapped { #expect(swapped == isRight, "seed \(seed)") }
  }

  private mutating func update(_ key: [UInt8]) throws {
    let store = store
    guard try persistsAll() else { return }
    let current = contents[key]
    let change: Update = [.keep, .delete, .put(randomValue())].randomElement(using: &generator) ?? .keep
    let seed = seed
    let after: [(key: [UInt8], value: [UInt8]?)] =
      switch change {
      case .keep: []
      case .delete: [(key, nil)]
      case .put(let value): [(key, value)]
      }
    try write(after) {
      try store.update(key) { found in
        #expect(found == current, "seed \(seed)")
        return change
      }
    }
  }

  private mutating func writeDeferred(_ key: [UInt8]) throws {
    let store = store
    let value: [UInt8]? = generator.oneIn(4) ? nil : randomValue()
    if let value, store.isExtent(keyLength: key.count, valueLength: value.count) {
      // Durable at once.
      return try write([(key, value)]) { try store.put(value, for: key, durability: .deferred) }
    }
    let isAbsent = isNothingWaiting && contents[key] == nil
    let before = store.deferredWrites.count.load(ordering: .relaxed)
    let done = try isDone {
      if let value {
        try store.put(value, for: key, durability: .deferred)
      } else {
        #expect(try store.delete(key, durability: .deferred) == !isAbsent, "seed \(seed)")
      }
    }
    // What is refused is not taken, and what is absent need not be deleted.
    guard done, value != nil || !isAbsent else { return }
    // A buffer that was full was persisted before it took one more.
    if store.deferredWrites.count.load(ordering: .relaxed) <= before { applyWaiting() }
    waiting.append((key, value))
  }

  // MARK: Opening again

  private mutating func crash() throws {
    waiting = []
    region = region.copy()
    store = try region.open(domain: setting.domain, options: options)
    #expect(!store.recovery.wasClosed, "seed \(seed)")
    try compare()
  }

  private mutating func closeAndOpen() throws {
    let store = store
    if try isDone({ try store.close() }) { applyWaiting() } else { waiting = [] }
    self.store = try region.open(domain: setting.domain, options: options)
    try compare()
  }

  private func openReadOnly() throws {
    let copy = region.copy()
    let before = copy.image
    let reader = try copy.open(access: .readOnly, domain: setting.domain, options: options)
    try reader.expect(contents, "seed \(seed), read-only")
    #expect(reader.recovery.damageCount == 0, "seed \(seed): \(reader.recovery.damage)")
    try reader.close()
    #expect(isSame(copy.image, before))
  }

  /// Looks at everything.
  func compare() throws {
    try store.expect(contents, "seed \(seed)")
    try store.expectSound("seed \(seed)")
    let statistics = store.statistics
    #expect(statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes)
  }

  // MARK: Random keys and values

  private mutating func randomKey() -> [UInt8] {
    let number = generator.below(setting.keys)
    // A key's length follows from its number.
    return key(number) + value(number, length: [0, 0, 4, 12, 40, 60, 130][number % 7])
  }

  private mutating func randomValue() -> [UInt8] {
    let threshold = store.superblock.geometry.extentThreshold
    switch generator.below(20) {
    case 0: return []
    case 1: return generator.bytes(threshold - 1 + generator.below(3))
    case 2: return generator.bytes(generator.below(min(store.limits.maximumValueLength, 6 * threshold)))
    case 3: return generator.bytes(generator.below(threshold))
    default: return generator.bytes(generator.below(min(120, threshold)))
    }
  }
}
