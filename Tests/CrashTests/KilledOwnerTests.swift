import Testing

@testable import BarKV

/// A process is killed, the next one sees its last stores, and then the power goes: what the first had not made durable may
/// vanish after all, and must not take anything along.
@Suite struct KilledOwnerTests {
  private static let models: [PersistenceModel] = [.writeBack, .file, .relaxed]

  private func store(_ recording: Recording, size: Int) throws -> Store {
    try Store.create(
      on: recording.medium(), geometry: Geometry(regionBytes: size, segmentSize: 1 << 10), path: "memory",
      options: StoreOptions())
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
}
