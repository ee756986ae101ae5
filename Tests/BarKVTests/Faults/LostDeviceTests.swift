import Synchronization
import Testing

@testable import BarKV

/// A device that is gone without a signal, as one behind a PCIe link: every load gives ones, stores vanish.
@Suite struct LostDeviceTests {
  /// A region that turns to ones.
  private final class Device: MediumObserver {
    private let isGone = Atomic<Bool>(false)
    private let region = Locked<(start: UInt, count: Int)>((0, 0))
    private let stored = Locked<[UInt8]>([])

    /// What reached the device while it was there.
    var image: [UInt8] { stored.withLock { $0 } }

    func medium(image: [UInt8], isWritable: Bool = true) throws(StoreError) -> Medium {
      stored.withLock { $0 = image }
      let medium = try Medium.memory(image: image, isWritable: isWritable, observer: self, canVanish: true)
      let start = unsafe UInt(bitPattern: medium.bytes.baseAddress)
      region.withLock { $0 = (start, image.count) }
      return medium
    }

    func vanish() {
      isGone.store(true, ordering: .releasing)
      fillWithOnes()
    }

    private func fillWithOnes() {
      let (start, count) = region.withLock { $0 }
      let base = unsafe UnsafeMutableRawPointer(bitPattern: start)
      unsafe base?.initializeMemory(as: UInt8.self, repeating: 0xFF, count: count)
    }

    func observe(_ event: MediumEvent) throws(StoreError) {
      // What was stored after the loss is gone by the next fence.
      if isGone.load(ordering: .acquiring) { return fillWithOnes() }
      if case .store(_, let offset, let bytes) = event {
        stored.withLock { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
      }
    }
  }

  private static let size = 256 << 10

  private static func store(_ device: Device) throws -> Store {
    let store = try Store.create(
      on: device.medium(image: [UInt8](repeating: 0, count: size)),
      geometry: Geometry(regionBytes: size, segmentSize: nil), path: "memory", options: StoreOptions())
    for number in 0..<100 { try store.put(value(number, length: 100), for: key(number)) }
    try store.put(value(1, length: 9000), for: "long")
    try store.put("value", for: "key")
    return store
  }

  private static let idle: Set = ["empty batch", "persist", "deferred put"]

  @Test(arguments: 0..<19) func theFirstCallIsTold(number: Int) throws {
    let device = Device()
    let store = try Self.store(device)
    let calls = everyCall(on: store)
    try #require(calls.count == 19, "the arguments leave calls out")
    let (name, writes, call) = calls[number]
    device.vanish()
    let error = storeError(call)
    switch error {
    case .deviceLost: break
    case .outcomeUnknown: #expect(writes, "\(name): \(String(describing: error))")
    default: #expect(error == nil && Self.idle.contains(name), "\(name): \(String(describing: error))")
    }
    #expect(storeError { try store.put("new", for: "other") } != nil)
    for (name, _, call) in calls {
      #expect(storeError(call) == .deviceLost("the device no longer answers"), "\(name)")
    }
    _ = storeError { try store.close() }
    #expect(storeError { _ = try store.get("key") } == .closed)
    // What was acknowledged is there where the device is.
    let again = try Region(image: device.image).open()
    #expect(try again.getString("key") == "value")
    #expect(try again.get("long") == value(1, length: 9000))
    #expect(again.count == 102)
  }

  @Test func deferredWritesAreToldWhenTheyArePersisted() throws {
    let device = Device()
    let store = try Self.store(device)
    try store.put("late", for: "key", durability: .deferred)
    device.vanish()
    guard case .outcomeUnknown = storeError({ try store.persist() }) else {
      Issue.record("persist is not told")
      return
    }
    #expect(try Region(image: device.image).open().getString("key") == "value")
  }

  @Test(arguments: [Access.readOnly, .readWrite]) func whileOpening(access: Access) throws {
    let device = Device()
    try Self.store(device).close()
    let image = device.image
    let gone = Device()
    let medium = try gone.medium(image: image, isWritable: access == .readWrite)
    defer { medium.unmap() }
    gone.vanish()
    #expect(
      storeError { _ = try Recovery.open(medium, path: "memory", access: access, options: StoreOptions()) }
        == .deviceLost("the device no longer answers"))
    #expect(gone.image == image)
  }

  /// A copy of the superblock that is damaged is not the word that is looked for.
  @Test(arguments: [0, 4096]) func withADamagedSuperblock(offset: Int) throws {
    let device = Device()
    try Self.store(device).close()
    var image = device.image
    for index in 0..<8 { image[offset + index] = 0xFF }
    let damaged = Device()
    let store = try Recovery.open(
      damaged.medium(image: image), path: "memory", access: .readWrite, options: StoreOptions())
    #expect(try store.getString("key") == "value")
    try store.put("new", for: "key")
    damaged.vanish()
    #expect(storeError { _ = try store.get("key") } == .deviceLost("the device no longer answers"))
  }

  /// While the device is there, looking for it changes nothing.
  @Test func aDeviceThatIsThere() throws {
    let device = Device()
    let store = try Self.store(device)
    for number in 0..<100 { #expect(try store.get(key(number)) == value(number, length: 100)) }
    #expect(try store.get("absent") == nil)
    #expect(try store.delete("key"))
    #expect(try !store.delete("key"))
    #expect(try store.verify().isSound)
    try store.close()
    #expect(try Region(image: device.image).open().count == 101)
  }
}
