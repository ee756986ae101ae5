import Synchronization
import Testing

@testable import BarKV

/// A medium that refuses: the store says that the outcome is unknown, trusts the medium with nothing more, and what had
/// been acknowledged is there at the next open.
@Suite struct RefusingMediumTests {
  /// Passes everything on to a region until it is told to fail.
  private final class FailingMedium: MediumObserver {
    enum Point {
      case never, store, barrier
    }

    let region: Region
    private let point = Locked(Point.never)

    init(_ region: Region) {
      self.region = region
    }

    func fail(at point: Point) {
      self.point.withLock { $0 = point }
    }

    func observe(_ event: MediumEvent) throws(StoreError) {
      let point = point.withLock { $0 }
      switch event {
      case .barrier where point == .barrier: throw .outcomeUnknown("a test")
      case .store where point == .store, .streamingStore where point == .store: throw .deviceLost("a test")
      default: try region.observe(event)
      }
    }
  }

  private static func create(
    _ medium: FailingMedium, sharesBarriers: Bool = false
  ) throws(StoreError) -> Store {
    let image = medium.region.image
    return try Store.create(
      on: Medium.memory(image: image, sharesBarriers: sharesBarriers, observer: medium),
      geometry: Geometry(regionBytes: image.count, segmentSize: nil), path: "memory", options: StoreOptions())
  }

  @Test(arguments: 0..<6, [false, true]) func afterABarrierThatFailed(write: Int, sharesBarriers: Bool) throws {
    let medium = FailingMedium(Region(size: 1 << 20))
    let store = try Self.create(medium, sharesBarriers: sharesBarriers)
    try store.put("kept", for: "kept")
    try store.put("old", for: "key")
    medium.fail(at: .barrier)
    var batch = Batch()
    batch.put("new", for: "key")
    let error = storeError {
      switch write {
      case 0: try store.put("new", for: "key")
      case 1: try store.delete("key")
      case 2: try store.write(batch)
      case 3: _ = try store.compareAndSwap("key", expected: "old", new: "new")
      case 4: try store.put(value(1, length: 9000), for: "key")
      default:
        try store.put("new", for: "key", durability: .deferred)
        try store.persist()
      }
    }
    #expect(error == .outcomeUnknown("a test"))
    // Even if the medium comes back: what it holds is not known.
    medium.fail(at: .never)
    for (name, _, call) in everyCall(on: store) { #expect(storeError(call) == .deviceLost("a test"), "\(name)") }
    try store.close()
    #expect(storeError { _ = try store.get("kept") } == .closed)
    let again = try medium.region.open()
    #expect(!again.recovery.wasClosed)
    #expect(try again.getString("kept") == "kept")
    let found = try again.get("key")
    #expect([Array("old".utf8), Array("new".utf8), nil, value(1, length: 9000)].contains(found))
  }

  @Test func afterAStoreThatFailed() throws {
    let medium = FailingMedium(Region(size: 1 << 20))
    let store = try Self.create(medium)
    try store.put("old", for: "key")
    medium.fail(at: .store)
    #expect(storeError { try store.put("new", for: "key") } == .deviceLost("a test"))
    for (name, _, call) in everyCall(on: store) { #expect(storeError(call) == .deviceLost("a test"), "\(name)") }
    try store.close()
    #expect(try medium.region.open().getString("key") == "old")
  }

  @Test func closingOnAMediumThatFails() throws {
    let medium = FailingMedium(Region(size: 1 << 20))
    let store = try Self.create(medium)
    try store.put("old", for: "key")
    medium.fail(at: .barrier)
    #expect(storeError { try store.close() } == .outcomeUnknown("a test"))
    #expect(storeError { _ = try store.get("key") } == .closed)
    try store.close()
    #expect(try medium.region.open().getString("key") == "old")
  }

  @Test func openingOnAMediumThatFails() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    try store.put("old", for: "key")
    for point in [FailingMedium.Point.store, .barrier] {
      let medium = FailingMedium(region.copy())
      medium.fail(at: point)
      let memory = try Medium.memory(image: medium.region.image, observer: medium)
      let error = storeError {
        _ = try Recovery.open(memory, path: "memory", access: .readWrite, options: StoreOptions())
      }
      memory.unmap()
      #expect(error != nil)
      #expect(try medium.region.open().getString("key") == "old")
    }
  }

  @Test func everybodyWhoWaitedIsTold() throws {
    let medium = FailingMedium(Region(size: 4 << 20))
    let store = try Self.create(medium, sharesBarriers: true)
    let acknowledged = Locked<[Int]>([])
    try Threads.run(4) { thread in
      for number in 0..<500 {
        if thread == 0, number == 100 { medium.fail(at: .barrier) }
        do {
          try store.put("value", for: key(thread * 500 + number))
          acknowledged.withLock { $0.append(thread * 500 + number) }
        } catch StoreError.outcomeUnknown, StoreError.deviceLost {
          return
        }
      }
    }
    #expect(storeError { try store.put("value", for: "key") } == .deviceLost("a test"))
    let again = try medium.region.open()
    for number in acknowledged.withLock({ $0 }) { #expect(try again.contains(key(number))) }
  }
}
