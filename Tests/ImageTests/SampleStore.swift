@testable import BarKV

/// A store with some history, as bytes: closed, and as a crash after its last write leaves it.
struct SampleStore {
  /// A region, its segments, and what is written.
  struct Shape: Sendable {
    var size = 64 << 10
    var segment: Int? = 2 << 10
    /// How many plain keys.
    var keys = 20
    /// The lengths of values that go to extents.
    var extents = [1500]
    /// How many operations the batch has.
    var batch = 4
  }

  /// The region after a close.
  private(set) var closed: [UInt8] = []
  /// The region before the close: nothing is in flight.
  private(set) var unclosed: [UInt8] = []
  /// What is present in the end.
  private(set) var contents: [String: [UInt8]] = [:]
  /// Each key's values at any time.
  private(set) var history: [String: Set<[UInt8]>] = [:]
  /// The key of the last write: no later record proves that it was durable.
  static let lastKey = "last"

  /// - Parameter shape: must have room for what is written.
  init(_ shape: Shape = Shape(), seed: UInt64 = 0x5EED) throws {
    var generator = SeededGenerator(seed: seed)
    let blank = [UInt8](repeating: 0, count: shape.size)
    let keeper = ImageKeeper(blank)
    let geometry = try Geometry(regionBytes: shape.size, segmentSize: shape.segment)
    let superblock = Superblock(
      geometry: geometry, seed: generator.next(), identifier: (generator.next(), generator.next()), created: 0)
    let store = try Store.create(
      on: Medium.memory(image: blank, observer: keeper), geometry: geometry, path: "memory", options: StoreOptions(),
      superblock: superblock)
    for number in 0..<shape.keys {
      try put(generator.bytes(10 + number * 5), "key/\(number)", store)
      if number % 3 == 0 { try put(generator.bytes(30), "key/\(number)", store) }
      if number % 7 == 4 {
        try store.delete("key/\(number)")
        contents["key/\(number)"] = nil
      }
    }
    for (number, length) in shape.extents.enumerated() {
      try put(generator.bytes(length), "extent/\(number)", store)
    }
    var batch = Batch()
    for number in 0..<shape.batch {
      let value = generator.bytes(40)
      batch.put(value, for: "batch/\(number)")
      note(value, "batch/\(number)")
    }
    if shape.batch > 0 { try store.write(batch) }
    try put(generator.bytes(50), Self.lastKey, store)
    unclosed = keeper.bytes
    try store.close()
    closed = keeper.bytes
  }

  private mutating func put(_ value: [UInt8], _ key: String, _ store: Store) throws {
    try store.put(value, for: key)
    note(value, key)
  }

  private mutating func note(_ value: [UInt8], _ key: String) {
    contents[key] = value
    history[key, default: []].insert(value)
  }
}
