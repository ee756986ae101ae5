import Testing

@testable import BarKV

#if canImport(CrashRig)
  @testable import CrashRig
#endif

/// A process is killed, the next one sees its last stores, and then the power goes: what the first had not made durable may
/// vanish after all, and must not take anything along.
@Suite struct KilledOwnerTests {
  private static let models: [PersistenceModel] = [.writeBack, .file, .relaxed]

  private func store(_ recording: Recording, size: Int) throws -> Store {
    try Store.create(
      on: recording.medium(), geometry: Geometry(regionBytes: size, segmentSize: 1 << 10), path: "memory",
      options: Recording.options)
  }

  /// The commit of a close was in a cache only; the next owner overwrote the one before it.
  @Test(arguments: models) func aManifestIsLeft(_ model: PersistenceModel) throws {
    var recording = try Recording(model: model, size: 8 << 10)
    let first = try store(recording, size: 8 << 10)
    try first.put([1], for: "key")
    recording.apply()
    try first.close()
    recording.apply(upToFence: true)
    var next = recording.kill()
    let second = try next.open()
    #expect(second.recovery.wasClosed)
    second.abandon()
    try next.cutEverywhere { cut in
      let store = try cut.open()
      #expect(store.recovery.damage.isEmpty)
      #expect(try store.contents() == [Array("key".utf8): [1]])
      store.abandon()
    }
  }

  /// A segment's header and first record were in a cache only; the next owner has answered from them.
  @Test(arguments: models) func aFirstRecordIsLeft(_ model: PersistenceModel) throws {
    var recording = try Recording(model: model, size: 8 << 10)
    let first = try store(recording, size: 8 << 10)
    recording.apply()
    try first.put([1], for: "key")
    recording.apply(upToFence: true)
    first.abandon()
    var next = recording.kill()
    let second = try next.open()
    #expect(try second.get("key") == [1])
    second.abandon()
    next.apply()
    let third = try next.cut { _ in false }.open()
    #expect(third.recovery.damage.isEmpty)
    #expect(try third.get("key") == [1])
    third.abandon()
  }

  /// The record that replaced a large value was in a cache only; the next owner freed the value's extent.
  @Test(arguments: models) func aReplacedExtentIsLeft(_ model: PersistenceModel) throws {
    let long = [UInt8](repeating: 7, count: 600)
    var recording = try Recording(model: model, size: 8 << 10)
    let first = try store(recording, size: 8 << 10)
    try first.put(long, for: "key")
    recording.apply()
    try first.put([2], for: "key")
    recording.apply(upToFence: true)
    first.abandon()
    var next = recording.kill()
    let second = try next.open()
    #expect(try second.get("key") == [2])
    second.abandon()
    try next.cutEverywhere { cut in
      let store = try cut.open()
      let value = try store.get("key")
      #expect(value == long || value == [2])
      store.abandon()
    }
  }

  /// A put that is refused may have opened a segment before. A close must not name it before its header is durable, and
  /// the header may be another thread's.
  @Test(arguments: models, [false, true]) func aRefusedWriteLeavesNothingForAClose(
    _ model: PersistenceModel, onAnotherThread: Bool
  ) throws {
    var count = 0
    var damaged = 0
    for length in stride(from: 10, through: 210, by: 20) {
      var recording = try Recording(model: model, size: 8 << 10)
      let full = try store(recording, size: 8 << 10)
      var expected: [[UInt8]: [UInt8]] = [:]
      if onAnotherThread {
        let result = Locked<[[UInt8]: [UInt8]]>([:])
        Thread { result.withLock { $0 = Self.fill(full, length: length) } }?.join()
        expected = result.withLock { $0 }
      } else {
        expected = Self.fill(full, length: length)
      }
      recording.apply()
      guard !recording.image.units.isEmpty else { continue }
      count += 1
      try full.close()
      try recording.cutEverywhere { cut in
        let store = try cut.open()
        if !store.recovery.damage.isEmpty { damaged += 1 }
        #expect(try store.contents() == expected)
        store.abandon()
      }
    }
    // In a cache or on a bus something is always left; a fence of its own makes streamed lines durable.
    #expect(count > 0 || model == .writeBack)
    #expect(damaged == 0)
  }

  /// Puts until the store is full; what it holds then.
  private static func fill(_ store: Store, length: Int) -> [[UInt8]: [UInt8]] {
    var expected: [[UInt8]: [UInt8]] = [:]
    for key in 0... {
      // Some need more room for their tombstone than is left: that is found out when the segment is open.
      let name = Array("\(key)\(String(repeating: "x", count: key % 3 == 2 ? 400 : 0))".utf8)
      do throws(StoreError) {
        try store.put([UInt8](repeating: 1, count: length), for: name)
        expected[name] = [UInt8](repeating: 1, count: length)
      } catch {
        return expected
      }
    }
    return expected
  }
}
