import Testing

@testable import BarKV

/// Stores in BARs: files of a fake `/sys` stand for the memory and for the registers.
@Suite struct BarStoreTests {
  private static let address = "0000:03:00.0"
  private static let place: StoreAddress = "pci:0000:03:00.0/2"
  private static let size = 1 << 20
  private let sysfs: FakeSysfs

  init() throws {
    sysfs = try FakeSysfs()
  }

  private var options: StoreOptions {
    var options = StoreOptions()
    options.sysfs = sysfs.root
    return options
  }

  private func addFunction(
    hasWriteCombiningFile: Bool = true, hasMemorySpace: Bool = true, driver: String? = nil, power: String? = nil,
    contents: [UInt8] = [], size: Int = Self.size
  ) throws {
    try sysfs.add(
      .init(
        address: Self.address, hasMemorySpace: hasMemorySpace, driver: driver,
        bars: [
          .init(
            index: 2, address: 0x40_0000_0000, size: size, hasWriteCombiningFile: hasWriteCombiningFile,
            contents: contents)
        ], power: power))
  }

  private func create(replacing: Bool = false) throws(StoreError) -> Store {
    try Store.create(at: Self.place, options: options, replacing: replacing)
  }

  // MARK: What a store is good for

  @Test(arguments: [true, false]) func writesAndReads(hasWriteCombiningFile: Bool) throws {
    try addFunction(hasWriteCombiningFile: hasWriteCombiningFile)
    let store = try create()
    #expect(store.persistence.domain == .readBack && store.persistence.level == .deviceAccepted)
    for number in 0..<200 { try store.put(value(number, length: 100), for: key(number)) }
    try store.put(value(1, length: 9000), for: "long")
    #expect(try store.delete(key(7)))
    try store.close()
    // It is in the device's memory, and nowhere else.
    let again = try Store.open(at: Self.place, options: options)
    #expect(again.count == 200 && again.recovery.wasClosed)
    #expect(try again.get("long") == value(1, length: 9000))
    #expect(try again.get(key(7)) == nil)
    #expect(try again.get(key(8)) == value(8, length: 100))
    #expect(try again.verify().isSound)
    try again.close()
    let readers = try [0, 1].map { _ in try Store.open(at: Self.place, access: .readOnly, options: options) }
    for reader in readers {
      #expect(reader.count == 200 && reader.persistence.domain == .readBack)
      try reader.close()
    }
  }

  /// The smallest BARs: the superblocks and some of the log are in the control page, or there is nothing else.
  @Test(arguments: [8 << 10, 16 << 10, 64 << 10]) func smallOnes(size: Int) throws {
    try addFunction(size: size)
    let store = try create()
    for number in 0..<10 { try store.put("\(number)", for: "key") }
    try store.close()
    #expect(try Store.open(at: Self.place, options: options).getString("key") == "9")
  }

  @Test func aStoreHasTheWholeBar() throws {
    try addFunction()
    #expect(throws: StoreError.self) { try Store.create(at: Self.place, size: Self.size / 2, options: options) }
    let store = try Store.create(at: Self.place, size: Self.size, options: options)
    #expect(store.statistics.regionBytes == UInt64(Self.size))
  }

  @Test func nothingIsOverwrittenUnasked() throws {
    try addFunction(contents: [1])
    #expect(storeError { _ = try create() } == .alreadyExists(Self.place.path))
    #expect(try sysfs.bytes(Self.address, "resource2", 0..<1) == [1])
    let store = try create(replacing: true)
    try store.put("value", for: "key")
    try store.close()
    #expect(storeError { _ = try create() } == .alreadyExists(Self.place.path))
    #expect(try Store.open(at: Self.place, options: options).getString("key") == "value")
  }

  /// Erased memory is blank as well, and no sign that the device is gone.
  @Test func erasedMemory() throws {
    try addFunction(contents: [UInt8](repeating: 0xFF, count: Self.size))
    #expect(storeError { _ = try Store.open(at: Self.place, options: options) } == .notAStore(Self.place.path))
    try create().close()
  }

  @Test func oneOwner() throws {
    try addFunction(power: "auto")
    let store = try create()
    for access in [Access.readWrite, .readOnly] {
      #expect(
        storeError { _ = try Store.open(at: Self.place, access: access, options: options) }
          == .busy(path: Self.place.path, owner: nil))
    }
    #expect(try sysfs.text(Self.address, "power/control") == "on")
    try store.close()
    #expect(try sysfs.text(Self.address, "power/control") == "auto")
  }

  // MARK: How it is mapped

  @Test(arguments: [
    ("write-combining", 4096, "confirms"), ("uncached-minus", 1 << 20, "says uncached"),
    ("write-back", 4096, "says writeBack"),
  ]) func theKernelsList(name: String, uncachedBytes: Int, words: String) throws {
    try addFunction()
    try sysfs.setMemoryTypes(
      """
      PAT memtype list:
      PAT: [mem 0x0000003fffff0000-0x0000004000000000] write-through
      PAT: [mem 0x0000004000000000-0x0000004000001000] uncached-minus
      PAT: [mem 0x0000004000001000-0x0000004000100000] \(name)

      """)
    let store = try create()
    #expect(store.persistence.reason.contains(words), "\(store.persistence.reason)")
    #expect(store.medium.uncachedBytes == uncachedBytes)
    #expect(store.mapping.map(\.isVerified) == [true, true])
    #expect(store.mapping[0] == MappedPart(range: 0..<4096, memoryType: .uncached, isVerified: true))
    try store.put("value", for: "key")
    #expect(try store.getString("key") == "value")
  }

  /// Somebody else has the control page mapped write-combining, and so this mapping is that, too.
  @Test func theControlPageIsNotUncached() throws {
    try addFunction()
    try sysfs.setMemoryTypes("PAT: [mem 0x0000004000000000-0x0000004000100000] write-combining\n")
    let store = try create()
    #expect(store.persistence.reason.contains("control page is writeCombining"), "\(store.persistence.reason)")
    #expect(store.mapping[0].memoryType == .writeCombining)
    try store.put("value", for: "key")
    #expect(try store.getString("key") == "value")
  }

  @Test func withoutTheKernelsList() throws {
    try addFunction()
    let store = try create()
    #expect(store.persistence.reason.contains("could not be asked"))
    #expect(store.medium.uncachedBytes == 4096)
  }

  // MARK: Bringing it up

  @Test func memorySpaceIsSwitchedOn() throws {
    try addFunction(hasMemorySpace: false)
    let store = try create()
    #expect(try sysfs.bytes(Self.address, "config", 4..<6) == [2, 0])
    try store.put("value", for: "key")
  }

  @Test(arguments: ["auto", "on"]) func sleepIsHeldOff(power: String) throws {
    try addFunction(power: power)
    let store = try create()
    #expect(try sysfs.text(Self.address, "power/control") == "on")
    try store.close()
    #expect(try sysfs.text(Self.address, "power/control") == power)
  }

  /// Readers share a function: the last of them lets it sleep.
  @Test func readersHoldSleepOffTogether() throws {
    try addFunction(power: "auto")
    try create().close()
    let first = try Store.open(at: Self.place, access: .readOnly, options: options)
    let second = try Store.open(at: Self.place, access: .readOnly, options: options)
    try second.close()
    #expect(try sysfs.text(Self.address, "power/control") == "on")
    try first.close()
    #expect(try sysfs.text(Self.address, "power/control") == "auto")
  }

  @Test func aDriverIsLeftAlone() throws {
    try addFunction(hasMemorySpace: false, driver: "ivshmem", power: "auto")
    guard case .deviceUnusable(_, let reason, let remedy) = storeError({ _ = try create() }) else {
      Issue.record("a store beside a driver")
      return
    }
    #expect(reason.contains("ivshmem") && remedy?.contains("unbind") == true)
    #expect(try sysfs.text(Self.address, "power/control") == "auto")
    #expect(try sysfs.bytes(Self.address, "config", 4..<6) == [0, 0])
  }

  @Test func whatIsNotThere() throws {
    try addFunction()
    #expect(
      storeError { _ = try Store.open(at: "pci:0000:09:00.0/2", options: options) }
        == .noSuchDevice("pci:0000:09:00.0/2"))
    for text in ["pci:0000:03:00.0/3", "pmr:0000:03:00.0"] {
      guard case .deviceUnusable = storeError({ _ = try Store.open(at: StoreAddress(text), options: options) }) else {
        Issue.record("\(text) was opened")
        continue
      }
    }
    #expect(storeError { _ = try Store.open(at: Self.place, options: options) } == .notAStore(Self.place.path))
    var elsewhere = StoreOptions()
    elsewhere.sysfs = sysfs.root + "/none"
    guard case .busUnreadable = storeError({ _ = try Store.open(at: Self.place, options: elsewhere) }) else {
      Issue.record("a bus that is none")
      return
    }
  }

  // MARK: Losing it

  /// A device that is gone answers with ones, one whose memory decoding is off here with zeros: either way the known word
  /// is not there.
  @Test(arguments: [UInt8(0xFF), 0]) func theKnownWordIsGone(byte: UInt8) throws {
    try addFunction()
    let store = try create()
    try store.put("value", for: "key")
    let superblock = try sysfs.bytes(Self.address, "resource2", 0..<64)
    try sysfs.overwrite([UInt8](repeating: byte, count: 64), at: 0, Self.address, "resource2")
    guard case .outcomeUnknown = storeError({ try store.put("new", for: "other") }) else {
      Issue.record("a put that nothing took was acknowledged")
      return
    }
    for (name, _, call) in everyCall(on: store) {
      #expect(storeError(call) == .deviceLost("the device no longer answers"), "\(name)")
    }
    _ = storeError { try store.close() }
    try sysfs.overwrite(superblock, at: 0, Self.address, "resource2")
    #expect(try Store.open(at: Self.place, options: options).getString("key") == "value")
  }

  /// A get finds out, too, where it reads the device itself.
  @Test func aGetFindsOut() throws {
    try addFunction()
    var options = options
    options.mirrorBytes = 0
    let store = try Store.create(at: Self.place, options: options)
    try store.put("value", for: "key")
    try sysfs.overwrite([UInt8](repeating: 0xFF, count: Self.size), at: 0, Self.address, "resource2")
    #expect(storeError { _ = try store.get("key") } == .deviceLost("the device no longer answers"))
  }

  /// A device that was pulled raises SIGBUS; here its memory is cut off.
  @Test(arguments: [0, 256 << 20]) func thePagesAreGone(mirrorBytes: Int) throws {
    try addFunction()
    var options = options
    options.mirrorBytes = mirrorBytes
    let store = try Store.create(at: Self.place, options: options)
    try store.put("value", for: "key")
    if store.medium.mirror != nil { #expect(try store.getString("key") == "value") }
    try Files.truncate(sysfs.path(Self.address, "resource2"), to: 0)
    if store.medium.mirror != nil {
      // It is in the copy: the device is not asked, and the next write finds out.
      #expect(try store.getString("key") == "value")
      guard case .outcomeUnknown = storeError({ try store.put("new", for: "other") }) else {
        Issue.record("a put that nothing took was acknowledged")
        return
      }
    }
    #expect(storeError { _ = try store.get("key") } == .deviceLost("the device no longer answers"))
    #expect(storeError { try store.put("new", for: "key") } == .deviceLost("the device no longer answers"))
  }

  // MARK: What is no memory

  /// A region that gives back something else than what was written.
  private final class Impostor: MediumObserver {
    enum Kind: CaseIterable {
      /// It is what it seems.
      case none
      /// It is half as large: the same memory shows twice.
      case alias
      /// It keeps nothing.
      case readOnly
      /// Its last line is not there.
      case short
      /// It is gone.
      case gone
    }

    private let kind: Kind
    private let region = Locked<(start: UInt, count: Int)>((0, 0))

    init(_ kind: Kind) { self.kind = kind }

    func medium(bytes: Int) throws(StoreError) -> Medium {
      let medium = try Medium.memory(
        image: [UInt8](repeating: 0, count: bytes), domain: .readBack, observer: self, canVanish: true)
      let start = unsafe UInt(bitPattern: medium.bytes.baseAddress)
      region.withLock { $0 = (start, bytes) }
      return medium
    }

    func observe(_ event: MediumEvent) throws(StoreError) {
      guard case .readBack = event else { return }
      let (start, count) = region.withLock { $0 }
      let base = unsafe UnsafeMutableRawPointer(bitPattern: start)!
      switch kind {
      case .none: break
      case .alias: unsafe (base + count / 2).copyMemory(from: base, byteCount: count / 2)
      case .readOnly: unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: count)
      case .short: unsafe (base + count - 64).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
      case .gone: unsafe base.initializeMemory(as: UInt8.self, repeating: 0xFF, count: count)
      }
    }
  }

  @Test(arguments: Impostor.Kind.allCases) private func memoryIsTried(kind: Impostor.Kind) throws {
    let medium = try Impostor(kind).medium(bytes: 64 << 10)
    defer { medium.unmap() }
    let error = storeError { try medium.clear(replacing: false, path: "x") }
    switch kind {
    case .none: #expect(error == nil)
    case .gone: #expect(error == .deviceLost("the device no longer answers"))
    case .alias, .readOnly, .short:
      guard case .deviceUnusable = error else {
        Issue.record("taken for memory: \(String(describing: error))")
        return
      }
    }
  }
}
