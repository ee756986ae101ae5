import Synchronization
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What writes cost in barriers: one each, whatever they do; less where writers share them.
@Suite struct BarrierTests {
  /// How many barriers `body` makes.
  private static func barriers(_ store: Store, _ body: () throws -> Void) rethrows -> UInt64 {
    let before = store.statistics.barrierCount
    try body()
    return store.statistics.barrierCount - before
  }

  private static func expectOneEach(_ store: Store) throws {
    var puts = Batch()
    var deletes = Batch()
    for number in 0..<1000 {
      puts.put(value(number, length: 50), for: key(number))
      deletes.delete(key(number))
    }
    #expect(try barriers(store) { try store.put("value", for: "key") } == 1)
    #expect(try barriers(store) { try store.put("other", for: "key") } == 1)
    #expect(try barriers(store) { _ = try store.get("key") } == 0)
    #expect(try barriers(store) { try store.delete("key") } == 1)
    #expect(try barriers(store) { try store.delete("key") } == 0)
    #expect(try barriers(store) { try store.write(puts) } == 1)
    #expect(try barriers(store) { try store.write(puts) } == 1)
    #expect(try barriers(store) { try store.write(deletes) } == 1)
    #expect(try barriers(store) { try store.write(deletes) } == 0)
    #expect(try barriers(store) { try store.write(Batch()) } == 0)
    #expect(
      try barriers(store) {
        for number in 0..<100 { try store.put("value", for: key(number), durability: .deferred) }
        try store.persist()
      } == 1)
    #expect(try barriers(store) { try store.persist() } == 0)
    // The payload, then the record that refers to it.
    #expect(try barriers(store) { try store.put(value(1, length: 10_000), for: "long") } == 2)
    #expect(store.statistics.writeCount >= 8)
  }

  @Test(arguments: [PersistenceDomain.processOnly, .cacheFlush, .readBack, .pmrStatusRead, .pmrMemoryRead])
  func oneAWrite(domain: PersistenceDomain)
    throws
  {
    let store = try Region(size: 4 << 20).create(domain: domain)
    #expect(store.persistence.domain == domain)
    try Self.expectOneEach(store)
  }

  @Test(arguments: [true, false]) func oneAWriteOnAFile(inMemory: Bool) throws {
    let file = TemporaryFile(inMemory: inMemory)
    let store = try Store.create(at: file.address, size: 4 << 20)
    try Self.expectOneEach(store)
    try store.close()
  }

  /// libpmem reads PMEM_IS_PMEM_FORCE when it is loaded: that takes a process of its own.
  @Test func oneAWriteWhereForced() throws {
    let file = TemporaryFile()
    let process = try ChildProcess(["barriers", file.path], environment: ["PMEM_IS_PMEM_FORCE": "1"])
    let lines = String(decoding: process.readAll(), as: UTF8.self).split(separator: "\n")
    #expect(lines == ["domain cacheFlush process", "put 1", "overwrite 1", "delete 1", "batch 1"])
    #expect(try process.wait() == .exit(0))
  }

  @Test func oneAWriteOverManySegments() throws {
    // Each opens segments again and again, which costs no barrier of its own.
    let store = try Region(size: 500 << 10).create(segmentSize: 4 << 10)
    #expect(
      try Self.barriers(store) {
        for number in 0..<2000 { try store.put(value(number, length: 80), for: key(number % 100)) }
      } == 2000)
    var batch = Batch()
    for number in 0..<500 { batch.put(value(number, length: 80), for: key(number)) }
    #expect(try Self.barriers(store) { try store.write(batch) } == 1)
    #expect(store.statistics.segmentCount - store.statistics.freeSegmentCount > 70)
  }

  @Test func opening() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    try store.put("value", for: "key")
    #expect(try region.copy().open(access: .readOnly).statistics.barrierCount == 0)
    #expect(try region.copy().open().statistics.barrierCount == 3)
    try store.close()
    #expect(try region.copy().open().statistics.barrierCount == 2)
  }

  /// A device whose barrier takes 2 us.
  private final class SlowDevice: MediumObserver {
    let barriers = Atomic<Int>(0)
    private let atWork = Atomic<Int>(0)

    func observe(_ event: MediumEvent) throws(StoreError) {
      guard case .barrier = event else { return }
      barriers.add(1, ordering: .relaxed)
      // Shared barriers are made one after the other.
      #expect(atWork.add(1, ordering: .relaxed).newValue == 1)
      usleep(2)
      atWork.subtract(1, ordering: .relaxed)
    }
  }

  @Test func sharedByWriters() throws {
    let device = SlowDevice()
    let size = 16 << 20
    let store = try Store.create(
      on: Medium.memory(image: [UInt8](repeating: 0, count: size), sharesBarriers: true, observer: device),
      geometry: Geometry(regionBytes: size, segmentSize: nil), path: "memory", options: StoreOptions())
    let puts = 500
    let before = store.statistics.barrierCount
    try Threads.run(4) { thread in
      for number in 0..<puts {
        let number = thread * puts + number
        try store.put(value(number, length: 100), for: key(number))
        // It is there when its put returns, whoever made the barrier.
        #expect(try store.contains(key(number)))
      }
    }
    let barriers = Int(store.statistics.barrierCount - before)
    #expect(barriers < 4 * puts, "nothing was shared")
    #expect(barriers >= puts, "a thread's puts cannot share one")
    #expect(store.count == 4 * puts)
  }
}
