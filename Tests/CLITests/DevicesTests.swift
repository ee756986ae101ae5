import Testing

/// kvcli devices, on a fake `/sys`.
@Suite struct DevicesTests {
  private let tool: CommandLineTool
  private let sysfs: FakeSysfs

  init() throws {
    tool = try CommandLineTool()
    sysfs = try FakeSysfs()
  }

  /// An NVMe controller with a PMR, one that a driver has, shared memory of a virtual machine, and one with ports only.
  private func addFour() throws {
    try sysfs.add(.nvme("0000:01:00.0"))
    try sysfs.add(.nvme("0000:02:00.0", driver: "nvme"))
    try sysfs.add(.init(address: "0000:03:00.0", bars: [.init(index: 2)]))
    try sysfs.add(.init(address: "0000:04:00.0", bars: [.init(index: 0, address: 0xC000, size: 64, isMemory: false)]))
  }

  private func run(_ arguments: String...) throws -> CommandLineTool.Outcome {
    try tool.run(["devices", "--sysfs", sysfs.root] + arguments)
  }

  @Test func theTable() throws {
    try addFour()
    let outcome = try run()
    #expect(outcome.status == 0 && outcome.errors == "")
    let lines = outcome.text.split(separator: "\n").map(String.init)
    let rows = lines.filter { $0.hasPrefix("0000:") }.map { $0.split(separator: " ").map(String.init) }
    try #require(rows.count == 3)
    #expect(rows[0].prefix(7) == ["0000:01:00.0", "1b36:0010", "NVMe", "-", "1", "12", "4"])
    #expect(rows[0].suffix(3) == ["ready,", "persistent", "pmr:0000:01:00.0"])
    #expect(rows[1].contains("nvme") && rows[1].suffix(3) == ["not", "yet", "-"])
    #expect(rows[2].suffix(2) == ["ready", "pci:0000:03:00.0/2"])
    // Columns stand below their titles.
    let title = try #require(lines.first?.range(of: "ADDRESS")?.lowerBound.utf16Offset(in: lines[0]))
    for line in lines where line.hasPrefix("0000:") {
      #expect(["p", "-"].contains(line.dropFirst(title).prefix(1)) && line.dropFirst(title - 1).first == " ")
    }
    #expect(outcome.text.contains("echo 0000:02:00.0 > "))
  }

  @Test func allOfThem() throws {
    try addFour()
    let text = try run("--all").text
    #expect(text.split(separator: "\n").filter { $0.hasPrefix("0000:") }.count == 6)
    #expect(text.contains("it is I/O ports, not memory"))
  }

  @Test func theReport() throws {
    try addFour()
    let report = try JSONReport(run("--json"))
    #expect(try report.boolean("opensDevices"))
    #expect(try report.integer("functionCount") == 4)
    let functions = try report.objects("functions")
    #expect(try functions.map { try $0.string("address") } == ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"])
    let nvme = functions[0]
    #expect(try nvme.string("vendor") == "1b36" && nvme.string("class") == "0108" && nvme.integer("numaNode") == 1)
    let region = try nvme.object("nvme").object("persistentMemoryRegion")
    #expect(
      try region.integer("bar") == 4 && region.boolean("statusReadIsBarrier") && region.string("health") == "normal")
    let bars = try nvme.objects("bars")
    try #require(bars.count == 1)
    #expect(try bars[0].integer("index") == 4 && bars[0].integer("bytes") == 64 << 20)
    #expect(try bars[0].string("verdict") == "ready" && bars[0].string("bestLevel") == "persistent")
    #expect(try bars[0].string("storeAddress") == "pmr:0000:01:00.0" && bars[0].objects("findings").isEmpty)
    let bound = try functions[1].objects("bars")[0]
    #expect(try functions[1].string("driver") == "nvme" && bound.string("verdict") == "blocked")
    let finding = try bound.objects("findings")[0]
    #expect(try finding.string("kind") == "driverBound" && finding.string("remedy").contains("driver/unbind"))
    #expect(try functions[1].object("nvme").boolean("registersRead") == false)
    #expect(try functions[2].objects("bars")[0].string("bestLevel") == "deviceAccepted")
    let all = try JSONReport(run("--json", "--all")).objects("functions")
    #expect(try all.map { try $0.objects("bars").count } == [2, 2, 1, 1])
  }

  @Test func nothingToShow() throws {
    #expect(try run().text == "there is no PCI function\n")
    #expect(try JSONReport(run("--json")).objects("functions").isEmpty)
    try sysfs.add(.init(address: "0000:04:00.0"))
    let outcome = try run()
    #expect(outcome.status == 0 && outcome.text.hasPrefix("no BAR of 1 PCI function can hold a store"))
    #expect(try run("--all").text.contains("\n0000:04:00.0  1af4:1110  RAM "))
  }

  @Test func aFunctionThatCannotBeRead() throws {
    try sysfs.add(.init(address: "0000:04:00.0"))
    try sysfs.remove("0000:04:00.0", "vendor")
    let outcome = try run("--all")
    #expect(outcome.status == 0 && outcome.text.contains("not all could be read: Cannot open "))
    #expect(try JSONReport(run("--all", "--json")).objects("functions")[0].string("problem").contains("vendor"))
  }

  @Test func exitStatuses() throws {
    let absent = try tool.run("devices", "--sysfs", tool.path("absent"))
    #expect(absent.status == 74 && absent.output == [])
    #expect(absent.errors.hasPrefix("kvcli: The PCI bus cannot be read (Cannot open "), "\(absent.errors)")
    #expect(try tool.run("devices", "store").status == 64)
    #expect(try tool.run("devices", "--sysfs", "").status == 64)
  }

  /// What the listing calls ready is a place for a store, by the address that it gives.
  @Test func theAddressesCanBeOpened() throws {
    try addFour()
    let functions = try JSONReport(run("--json")).objects("functions")
    let addresses = try [0, 2].map { try functions[$0].objects("bars")[0].string("storeAddress") }
    #expect(addresses == ["pmr:0000:01:00.0", "pci:0000:03:00.0/2"])
    for address in addresses {
      #expect(try tool.run("info", address, "--sysfs", sysfs.root).status == 65)
      #expect(try tool.run("create", address, "--sysfs", sysfs.root).status == 0)
      #expect(try tool.run("info", address, "--sysfs", sysfs.root).status == 0)
    }
  }
}
