import BarKV
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What libpci and the files of a fake `/sys` come to.
@Suite struct DiscoveryTests {
  private typealias Kind = BaseAddressRegister.Finding.Kind
  private let sysfs: FakeSysfs
  private let place = "0000:01:00.0"

  init() throws {
    sysfs = try FakeSysfs()
  }

  private func discover() throws -> [PCIFunction] {
    try PCIFunction.discover(sysfs: sysfs.root)
  }

  /// The only function there is.
  private func theFunction() throws -> PCIFunction {
    let functions = try discover()
    try #require(functions.count == 1)
    return functions[0]
  }

  private func kinds(_ bar: BaseAddressRegister?) -> [BaseAddressRegister.Finding.Kind] {
    bar.map { $0.findings.map(\.kind) } ?? []
  }

  /// The memory of an NVMe controller whose registers were read.
  private func readMemory(_ function: PCIFunction) throws -> NVMeMemory {
    guard case .read(let memory) = function.nvmeMemory else {
      throw Files.Failure(description: "\(String(describing: function.nvmeMemory))")
    }
    return memory
  }

  private func unreadReason(_ function: PCIFunction) -> String? {
    guard case .unread(let reason) = function.nvmeMemory else { return nil }
    return reason
  }

  // MARK: Whole functions

  @Test func aPersistentMemoryRegion() throws {
    try sysfs.add(.nvme(place))
    let function = try theFunction()
    #expect(function.address == PCIAddress(place))
    #expect(function.identity?.vendor == 0x1B36 && function.identity?.device == 0x0010)
    #expect(function.identity?.isNVMeController == true)
    #expect(function.driver == nil && function.numaNode == 1 && function.iommuGroup == "12")
    #expect(function.isMemorySpaceEnabled == true && function.problem == nil)
    let region = try #require(try readMemory(function).persistentMemoryRegion)
    #expect(region.barIndex == 4 && region.statusReadIsBarrier && !region.memoryReadIsBarrier && region.isReady)
    try #require(function.bars.map(\.index) == [0, 4])
    let (registers, memory) = (function.bars[0], function.bars[1])
    #expect(
      registers.use == .registers && registers.verdict == .unsuitable && kinds(registers) == [.controllerRegisters])
    #expect(registers.storeAddress == nil && registers.bestLevel == nil)
    #expect(memory.use == .persistentMemoryRegion && memory.verdict == .ready && memory.findings == [])
    #expect(memory.storeAddress == "pmr:\(place)" && memory.bestLevel == .persistent)
    #expect(memory.address == 0x38_0000_0000 && memory.size == 64 << 20)
    #expect(memory.is64Bit && memory.isPrefetchable && memory.isMemory)
    #expect(memory.resourceFile == "\(sysfs.root)/bus/pci/devices/\(place)/resource4")
    #expect(memory.writeCombiningFile == "\(sysfs.root)/bus/pci/devices/\(place)/resource4_wc")
  }

  @Test func sharedMemoryOfAVirtualMachine() throws {
    try sysfs.add(
      .init(address: place, bars: [.init(index: 0, size: 256, is64Bit: false, isPrefetchable: false), .init(index: 2)]))
    let function = try theFunction()
    #expect(function.nvmeMemory == nil && function.numaNode == nil && function.iommuGroup == nil)
    try #require(function.bars.map(\.index) == [0, 2])
    #expect(kinds(function.bars[0]) == [.notPrefetchable, .tooSmall])
    let bar = function.bars[1]
    #expect(bar.use == .unknown && bar.verdict == .ready && kinds(bar) == [.useUnknown])
    #expect(bar.storeAddress == "pci:\(place)/2" && bar.bestLevel == .deviceAccepted)
  }

  @Test func portsOnly() throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 0, address: 0xC000, size: 64, isMemory: false)]))
    let bar = try #require(try theFunction().bars.first)
    #expect(!bar.isMemory && !bar.isPrefetchable && bar.address == 0xC000 && bar.size == 64)
    #expect(kinds(bar) == [.inputOutput] && bar.verdict == .unsuitable)
  }

  @Test func noBarAtAll() throws {
    try sysfs.add(.init(address: place))
    #expect(try theFunction().bars == [])
  }

  @Test func aBarWithoutAddress() throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2, address: 0)]))
    let bar = try #require(try theFunction().bars.first)
    #expect(bar.size == 0 && kinds(bar) == [.unassigned])
  }

  @Test func aDriverKeepsEverybodyElseAway() throws {
    try sysfs.add(.nvme(place, driver: "nvme"))
    let function = try theFunction()
    #expect(function.driver == "nvme")
    // The registers are not touched while a driver has them.
    #expect(unreadReason(function)?.contains("nvme") == true)
    let bar = try #require(function.bars.last)
    #expect(kinds(bar) == [.driverBound, .registersUnread] && bar.verdict == .blocked)
    #expect(bar.findings[0].remedy?.hasSuffix("echo \(place) > \(function.directory)/driver/unbind") == true)
    // What could be a Persistent Memory Region is not called one.
    #expect(bar.use == .unknown && bar.bestLevel == nil && bar.storeAddress == nil)
  }

  @Test func memorySpaceOff() throws {
    var function = FakeSysfs.Function.nvme(place)
    function.hasMemorySpace = false
    try sysfs.add(function)
    let found = try theFunction()
    #expect(found.isMemorySpaceEnabled == false)
    #expect(unreadReason(found)?.contains("memory space") == true)
    #expect(kinds(found.bars.last) == [.memorySpaceOff, .registersUnread])
    #expect(found.bars.last?.findings[0].remedy?.hasSuffix("echo 1 > \(found.directory)/enable") == true)
  }

  @Test(arguments: [
    ("none [integrity] confidentiality\n", "integrity"), ("none integrity [confidentiality]", "confidentiality"),
  ]) func lockedDown(text: String, mode: String) throws {
    try sysfs.add(.nvme(place))
    try sysfs.lockDown(text)
    let function = try theFunction()
    #expect(unreadReason(function)?.contains("locked down (\(mode))") == true)
    #expect(kinds(function.bars.last) == [.lockedDown, .registersUnread])
  }

  @Test(arguments: ["[none] integrity confidentiality\n", "", "none", "[", "]none[", "[unheard of]"])
  func notLockedDown(text: String) throws {
    try sysfs.add(.nvme(place))
    try sysfs.lockDown(text)
    #expect(try theFunction().bars.last?.verdict == .ready)
  }

  // MARK: What registers say

  @Test(
    arguments: [
      ([0xE04: 0], [.regionOff]), ([0xE08: 0x100], [.regionOff]), ([0xE08: 3 << 9 | 0x100], [.regionOff]),
      ([0xE08: 0x05], [.regionFailed]), ([0xE08: 1 << 9], [.regionRestoreFailed]), ([0xE08: 2 << 9], [.regionReadOnly]),
      ([0xE08: 3 << 9], [.regionFailed]), ([0xE08: 7 << 9], [.regionFailed]),
      ([0xE08: 2 << 9 | 1], [.regionFailed, .regionReadOnly]), ([0xE00: 4 << 5], [.regionWithoutBarrier]),
      ([0xE00: 4 << 5 | 1 << 10], []),
    ] as [([Int: UInt32], [BaseAddressRegister.Finding.Kind])])
  func statesOfARegion(changes: [Int: UInt32], expected: [BaseAddressRegister.Finding.Kind]) throws {
    try sysfs.add(.nvme(place, registers: FakeSysfs.persistentMemoryRegisters(changes)))
    let bar = try #require(try theFunction().bars.last)
    #expect(bar.use == .persistentMemoryRegion && kinds(bar) == expected)
  }

  @Test func aControllerMemoryBuffer() throws {
    try sysfs.add(.nvme(place, registers: [0x04: 1 << 25, 0x38: 4, 0x3C: 16 << 12]))
    let function = try theFunction()
    #expect(try readMemory(function).controllerMemoryBuffer?.size == 65_536)
    #expect(function.bars.last?.use == .controllerMemoryBuffer)
    #expect(kinds(function.bars.last) == [.controllerMemoryBuffer] && function.bars.last?.verdict == .unsuitable)
  }

  /// Since NVMe 1.4 a controller does not tell unasked where its buffer is: then it may be anywhere but in the PMR.
  @Test func aHiddenControllerMemoryBuffer() throws {
    try sysfs.add(.nvme(place, registers: [0x04: 1 << 25]))
    #expect(kinds(try theFunction().bars.last) == [.controllerMemoryBuffer])
  }

  @Test func aRegionBesideAHiddenBuffer() throws {
    try sysfs.add(.nvme(place, registers: FakeSysfs.persistentMemoryRegisters([0x04: 3 << 24])))
    #expect(try theFunction().bars.last?.verdict == .ready)
  }

  @Test func aControllerWithNeither() throws {
    try sysfs.add(.nvme(place, registers: [0x00: 1]))
    let bar = try #require(try theFunction().bars.last)
    #expect(bar.use == .unknown && kinds(bar) == [.useUnknown] && bar.storeAddress == "pci:\(place)/4")
  }

  @Test func aControllerThatDoesNotAnswer() throws {
    var function = FakeSysfs.Function.nvme(place)
    function.bars[0].contents = [UInt8](repeating: 0xFF, count: 4096)
    try sysfs.add(function)
    let found = try theFunction()
    #expect(unreadReason(found)?.contains("all ones") == true)
    #expect(kinds(found.bars.last) == [.registersUnread])
  }

  @Test func registersThatCannotBeMapped() throws {
    try sysfs.add(.nvme(place))
    let file = sysfs.path(place, "resource0")
    try sysfs.write("short", place, "resource0")
    #expect(unreadReason(try theFunction())?.contains("no page") == true)
    // A FIFO without a writer must not hang the listing, and a folder not confuse it.
    try sysfs.remove(place, "resource0")
    try #require(unsafe mkfifo(file, 0o600) == 0)
    #expect(unreadReason(try theFunction())?.contains("no page") == true)
    try sysfs.remove(place, "resource0")
    try #require(unsafe mkdir(file, 0o700) == 0)
    #expect(unreadReason(try theFunction())?.contains("no page") == true)
    try sysfs.remove(place, "resource0")
    #expect(unreadReason(try theFunction())?.contains("no file") == true)
  }

  // MARK: What is missing or damaged

  @Test func filesThatAreMissing() throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2, hasWriteCombiningFile: false)]))
    #expect(kinds(try theFunction().bars.first) == [.useUnknown, .noWriteCombining])
    try sysfs.remove(place, "resource2")
    let bar = try #require(try theFunction().bars.first)
    #expect(bar.resourceFile == nil && bar.verdict == .blocked)
    #expect(kinds(bar) == [.noResourceFile, .useUnknown, .noWriteCombining])
  }

  /// One function that cannot be read takes neither the process nor the other functions with it.
  @Test(arguments: ["vendor", "device", "class", "resource", "config", "numa_node", "irq"])
  func aFileThatIsMissing(file: String) throws {
    try sysfs.add(.init(address: place, driver: "some", bars: [.init(index: 2)]))
    try sysfs.add(.init(address: "0000:02:00.0", bars: [.init(index: 2)]))
    try sysfs.remove(place, file)
    let functions = try discover()
    try #require(functions.count == 2)
    let isNeeded = ["vendor", "device", "class", "resource", "config"].contains(file)
    #expect((functions[0].problem != nil) == isNeeded, "\(String(describing: functions[0].problem))")
    #expect((functions[0].identity == nil) == ["vendor", "device", "class"].contains(file))
    #expect((functions[0].bars == []) == (file == "resource"))
    #expect((functions[0].isMemorySpaceEnabled == nil) == (file == "config"))
    #expect(functions[0].driver == "some")
    #expect(functions[1].problem == nil && functions[1].bars.first?.verdict == .ready)
  }

  @Test(arguments: [0, 1, 5, 10, 63]) func aConfigurationSpaceCutShort(length: Int) throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2)], configurationLength: length))
    let function = try theFunction()
    #expect(function.problem?.contains("configuration space") == true)
    #expect(kinds(function.bars.first) == [.configurationUnreadable, .useUnknown])
  }

  @Test func aConfigurationSpaceOf64Bytes() throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2)], configurationLength: 64))
    #expect(try theFunction().bars.first?.verdict == .ready)
  }

  @Test func aDeviceThatIsGone() throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2)]))
    try sysfs.remove(place, "config")
    try Files.write([UInt8](repeating: 0xFF, count: 256), to: sysfs.path(place, "config"))
    let function = try theFunction()
    #expect(function.problem?.contains("all ones") == true)
    #expect(function.isMemorySpaceEnabled == nil && function.bars.first?.verdict == .blocked)
  }

  @Test(arguments: ["", "nonsense\n", "0x1 0x2\n", "0x0 0x0 zzz\n"]) func aResourceFileOfNonsense(text: String) throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2)]))
    try sysfs.write(text, place, "resource")
    let function = try theFunction()
    #expect(function.bars == [] && function.problem != nil)
  }

  @Test func numbersAtTheirLimits() throws {
    let ones = String(repeating: "f", count: 16)
    for line in [
      "0x1000 0x0fff 0x14220c", "0x\(ones) 0x\(ones) 0x\(ones)", "0x1 0x\(ones) 0x200", "0x\(ones) 0x0 0x200",
    ] {
      try sysfs.add(.init(address: place, bars: [.init(index: 2)]))
      try sysfs.write(String(repeating: line + "\n", count: 13), place, "resource")
      let function = try theFunction()
      #expect(function.bars.count == 6 && function.bars.allSatisfy { $0.findings != [] }, "\(line)")
      try sysfs.removeFunction(place)
    }
  }

  @Test(arguments: ["vendor", "class", "numa_node"]) func aValueThatIsTooLong(file: String) throws {
    try sysfs.add(.init(address: place, bars: [.init(index: 2)]))
    try sysfs.write(String(repeating: "1", count: 5000), place, file)
    let function = try theFunction()
    #expect((function.problem != nil) == (file != "numa_node"))
  }

  @Test func aNameThatIsNoAddress() throws {
    try sysfs.add(.init(address: place))
    try #require(unsafe mkdir("\(sysfs.root)/bus/pci/devices/nonsense", 0o700) == 0)
    guard case .busUnreadable(let reason) = storeError({ _ = try discover() }) else {
      Issue.record("a bus that cannot be read was listed")
      return
    }
    #expect(reason.contains("nonsense"))
  }

  // MARK: Whole buses

  @Test func anEmptyBus() throws {
    #expect(try discover() == [])
  }

  @Test(arguments: ["/nonexistent", "", "/dev/null", "a\0b"]) func noBus(path: String) throws {
    // The empty path is the root folder, which has no bus in it.
    guard case .busUnreadable(let reason) = storeError({ _ = try PCIFunction.discover(sysfs: path) }) else {
      Issue.record("there is no bus at \(path)")
      return
    }
    #expect(!reason.isEmpty)
  }

  @Test func aPathLongerThanLibpciTakes() throws {
    let path = sysfs.root + String(repeating: "/.", count: 2000)
    guard case .busUnreadable = storeError({ _ = try PCIFunction.discover(sysfs: path) }) else {
      Issue.record("libpci takes paths of 1 KiB")
      return
    }
  }

  @Test func manyFunctions() throws {
    let count = 500
    func address(_ number: Int) throws -> PCIAddress {
      try #require(
        PCIAddress(
          domain: UInt32(number % 3), bus: UInt8(number / 256), device: UInt8(number / 8 % 32),
          function: UInt8(number % 8)))
    }
    var expected: [PCIAddress] = []
    for number in 0..<count {
      let place = try address(number)
      expected.append(place)
      try sysfs.add(
        .init(address: place.description, device: UInt16(number), bars: [.init(index: number % 5, size: 8192)]))
    }
    let functions = try discover()
    #expect(functions.map(\.address) == expected.sorted())
    #expect(functions.allSatisfy { $0.bars.count == 1 && $0.bars[0].verdict == .ready })
    #expect(Set(functions.compactMap { $0.identity?.device }).count == count)
  }

  /// libpci's errors find the thread that called it.
  @Test func threadsAtOnce() throws {
    try sysfs.add(.nvme(place))
    try sysfs.add(.init(address: "0000:02:00.0", bars: [.init(index: 2)]))
    try sysfs.remove("0000:02:00.0", "vendor")
    let root = sysfs.root
    try Threads.run(4) { number in
      for _ in 0..<50 {
        if number.isMultiple(of: 2) {
          let functions = try PCIFunction.discover(sysfs: root)
          #expect(functions.count == 2 && functions[1].problem?.contains("vendor") == true)
        } else {
          let error = storeError { _ = try PCIFunction.discover(sysfs: "/nonexistent") }
          #expect(error == .busUnreadable("Cannot open /nonexistent/bus/pci/devices"))
        }
      }
    }
  }
}
