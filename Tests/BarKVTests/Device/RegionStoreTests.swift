import Testing

@testable import BarKV

/// Stores in NVMe Persistent Memory Regions: files of a fake `/sys` stand for the memory and for the registers.
@Suite struct RegionStoreTests {
  private static let address = "0000:01:00.0"
  private static let place: StoreAddress = "pmr:0000:01:00.0"
  private static let size = 1 << 20
  private let sysfs: FakeSysfs

  private enum Register {
    static let capabilities = 0xE00
    static let control = 0xE04
    static let status = 0xE08
  }

  init() throws {
    sysfs = try FakeSysfs()
  }

  private var options: StoreOptions {
    var options = StoreOptions()
    options.sysfs = sysfs.root
    return options
  }

  private func addController(_ changes: [Int: UInt32] = [:]) throws {
    try sysfs.add(
      .nvme(Self.address, registers: FakeSysfs.persistentMemoryRegisters(changes), size: Self.size, power: "auto"))
  }

  private func create() throws(StoreError) -> Store { try Store.create(at: Self.place, options: options) }

  private func reason(_ error: StoreError?) -> String {
    switch error {
    case .deviceUnusable(_, let reason, _): reason
    case .outcomeUnknown(let what): what
    default: "not refused for the region's sake: \(String(describing: error))"
    }
  }

  /// PMRCAP.PMRWBM says which read is the barrier; where both are, the one that tells of errors as well.
  @Test(arguments: [
    (UInt32(1), PersistenceDomain.pmrMemoryRead), (2, .pmrStatusRead), (3, .pmrStatusRead),
  ]) func writesAndReads(mechanisms: UInt32, domain: PersistenceDomain) throws {
    try addController([Register.capabilities: 4 << 5 | mechanisms << 10])
    let store = try create()
    #expect(store.persistence.domain == domain && store.persistence.level == .persistent)
    for number in 0..<200 { try store.put(value(number, length: 100), for: key(number)) }
    try store.put(value(1, length: 9000), for: "long")
    try store.close()
    #expect(try sysfs.text(Self.address, "power/control") == "auto")
    let again = try Store.open(at: Self.place, options: options)
    #expect(again.count == 201 && again.persistence.domain == domain)
    #expect(try again.get("long") == value(1, length: 9000))
    #expect(try again.get(key(8)) == value(8, length: 100))
  }

  @Test func noReadIsABarrier() throws {
    try addController([Register.capabilities: 4 << 5])
    #expect(reason(storeError { _ = try create() }).contains("names no read"))
  }

  // MARK: Bringing it up

  @Test func theRegionIsEnabled() throws {
    try addController([Register.control: 0])
    let store = try create()
    #expect(try sysfs.register(Register.control, Self.address) == 1)
    try store.put("value", for: "key")
    try store.close()
    // It stays on: others may use it.
    #expect(try sysfs.register(Register.control, Self.address) == 1)
  }

  @Test func itIsWaitedFor() throws {
    // Eight times half a second.
    try addController([Register.capabilities: 4 << 5 | 2 << 10 | 8 << 16, Register.control: 0, Register.status: 0x100])
    let sysfs = sysfs
    let controller = Thread {
      while (try? sysfs.register(Register.control, Self.address)) == 0 { sleepFor(microseconds: 100) }
      try? sysfs.setRegister(Register.status, to: 0, Self.address)
    }
    try create().close()
    controller?.join()
  }

  @Test func itIsNotWaitedForForever() throws {
    try addController([Register.status: 0x100])
    #expect(reason(storeError { _ = try create() }).contains("not ready"))
    #expect(try sysfs.text(Self.address, "power/control") == "auto")
  }

  @Test(arguments: [
    (UInt32(0x01), "error 1"), (2 << 9, "no more writes"), (3 << 9, "keep what is written"), (5 << 9, "promise"),
  ]) func healthThatIsRefused(status: UInt32, words: String) throws {
    try addController()
    let store = try create()
    try store.put("value", for: "key")
    try store.close()
    try sysfs.setRegister(Register.status, to: status, Self.address)
    let text = reason(storeError { _ = try Store.open(at: Self.place, options: options) })
    #expect(text.contains(words) || text.contains("promise"), "\(text)")
    if status == 0x01 || status == 2 << 9 {
      let reader = try Store.open(at: Self.place, access: .readOnly, options: options)
      #expect(try reader.getString("key") == "value")
    }
  }

  /// The region lost what it held, which the power-up has found out: opening finds no store, and a new one can be made.
  @Test func healthThatIsReported() throws {
    try addController([Register.status: 1 << 9])
    #expect(storeError { _ = try Store.open(at: Self.place, options: options) } == .notAStore(Self.place.path))
    let store = try create()
    try store.put("value", for: "key")
    #expect(try store.getString("key") == "value")
  }

  @Test func byTheOtherName() throws {
    try addController()
    #expect(reason(storeError { _ = try Store.create(at: "pci:0000:01:00.0/4", options: options) }).contains("barrier"))
  }

  // MARK: Losing it

  /// Each of these is read by the barrier that follows it.
  @Test(
    arguments: [
      (UInt32.max, "all ones"), (0x100, "no longer ready"), (0x07, "error 7"), (1 << 9, "could not restore"),
      (2 << 9, "no more writes"), (3 << 9, "no longer keeps"), (6 << 9, "unknown"),
    ], [UInt32(1), 2]) func theStatus(status: (word: UInt32, words: String), mechanism: UInt32) throws
  {
    try addController([Register.capabilities: 4 << 5 | mechanism << 10])
    let store = try create()
    try store.put("value", for: "key")
    try sysfs.setRegister(Register.status, to: status.word, Self.address)
    let text = reason(storeError { try store.put("new", for: "other") })
    #expect(text.contains(status.words), "\(text)")
    for (name, _, call) in everyCall(on: store) {
      #expect(storeError(call) == .deviceLost(text), "\(name)")
    }
  }

  /// A controller that was reset has a region that is off: it reads as zeros, and a status of zero is a healthy one.
  @Test(arguments: [UInt32(1), 2]) func aReset(mechanism: UInt32) throws {
    try addController([Register.capabilities: 4 << 5 | mechanism << 10])
    let store = try create()
    try store.put("value", for: "key")
    try sysfs.overwrite([UInt8](repeating: 0, count: 4096), at: 0, Self.address, "resource4")
    guard case .outcomeUnknown = storeError({ try store.put("new", for: "other") }) else {
      Issue.record("a put that nothing took was acknowledged")
      return
    }
  }

  @Test func theRegistersAreGone() throws {
    try addController()
    let store = try create()
    try Files.truncate(sysfs.path(Self.address, "resource0"), to: 0)
    #expect(reason(storeError { try store.put("new", for: "other") }).contains("went away"))
  }

  // MARK: What a call costs

  /// Counts the reads of the device.
  private final class Reads: MediumObserver {
    let counts = Locked<(status: Int, memory: Int)>((0, 0))
    func observe(_ event: MediumEvent) throws(StoreError) {
      counts.withLock { counts in
        if case .statusRead = event { counts.status += 1 }
        if case .readBack = event { counts.memory += 1 }
      }
    }
  }

  @Test(arguments: [PersistenceDomain.pmrStatusRead, .pmrMemoryRead, .readBack])
  func oneReadAPut(domain: PersistenceDomain) throws {
    let reads = Reads()
    let store = try Store.create(
      on: Medium.memory(
        image: [UInt8](repeating: 0, count: Self.size), domain: domain, observer: reads,
        registers: RegionRegisters(simulating: [:])),
      geometry: Geometry(regionBytes: Self.size, segmentSize: nil), path: "memory", options: StoreOptions())
    reads.counts.withLock { $0 = (0, 0) }
    for number in 0..<100 { try store.put("value", for: key(number)) }
    let expected = domain == .readBack ? 0 : 100
    #expect(reads.counts.withLock { $0 } == (expected, 100))
    for number in 0..<100 { #expect(try store.getString(key(number)) == "value") }
    #expect(reads.counts.withLock { $0 } == (expected, 100))
  }
}
