import Testing

/// Stores on devices by kvcli, on a fake `/sys`: create, put, get, info, probe, and what they answer where there is no such
/// device.
@Suite struct DeviceStoreTests {
  private let tool: CommandLineTool
  private let sysfs: FakeSysfs

  init() throws {
    tool = try CommandLineTool()
    sysfs = try FakeSysfs()
    try sysfs.add(.nvme("0000:01:00.0", size: 1 << 20, power: "auto"))
    try sysfs.add(.init(address: "0000:03:00.0", bars: [.init(index: 2, size: 1 << 20)]))
    try sysfs.add(.nvme("0000:04:00.0", driver: "nvme", size: 1 << 20))
  }

  private func run(_ arguments: String...) throws -> CommandLineTool.Outcome {
    try tool.run(arguments + ["--sysfs", sysfs.root])
  }

  private static let stores = [
    ("pmr:0000:01:00.0", "pmrStatusRead", "persistent"), ("pci:0000:03:00.0/2", "readBack", "deviceAccepted"),
  ]

  @Test(arguments: stores) func writesAndReads(store: String, domain: String, level: String) throws {
    let created = try run("create", store, "--json")
    #expect(created.status == 0, "\(created.errors)")
    #expect(try JSONReport(created).integer("regionBytes") == 1 << 20)
    #expect(try JSONReport(created).string("store") == store)
    #expect(try run("put", store, "key", "value").status == 0)
    #expect(try run("get", store, "key").text == "value")
    #expect(try run("verify", store).status == 0)
    let report = try JSONReport(run("info", store, "--json"))
    #expect(try report.string("domain") == domain && report.string("level") == level)
    #expect(try report.string("reason").contains("mapped write-combining"))
    let text = try run("info", store).text
    #expect(text.contains("\ndomain ") && text.contains(domain) && text.contains(level))
    #expect(try run("create", store).status == 73)
    #expect(try run("create", store, "--force").status == 0)
    #expect(try run("get", store, "key").status == 1)
    #expect(try sysfs.text("0000:01:00.0", "power/control") == "auto")
  }

  @Test(arguments: stores) func probes(store: String, domain: String, level: String) throws {
    #expect(try run("create", store).status == 0)
    #expect(try run("put", store, "key", "value").status == 0)
    let outcome = try run("probe", store, "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try JSONReport(outcome)
    #expect(try report.string("domain") == domain && report.string("level") == level)
    #expect(try report.string("verdict").contains(level == "persistent" ? "NVMe standard" : "promise of its maker"))
    for name in ["barrier", "lineAndBarrier"] { #expect(try report.object(name).integer("count") > 0) }
    let text = try run("probe", store).text
    for name in ["mapping", "domain", "level", "reason", "barrier", "line stored", "stores", "reads", "verdict"] {
      #expect(text.contains("\n\(name) "), "\(name) in \(text)")
    }
    #expect(text.contains("\nregion ") == (domain == "pmrStatusRead"))
    // It has changed nothing.
    #expect(try run("get", store, "key").text == "value")
    #expect(try run("verify", store).status == 0)
  }

  @Test func probesAFile() throws {
    let store = try tool.makeStore()
    #expect(try tool.run("probe", store).status == 0)
    #expect(try tool.run("probe", store).text.contains("verdict"))
    #expect(try tool.run("probe", tool.path("none")).status == 66)
  }

  @Test(arguments: [
    ("pmr:0000:09:00.0", Int32(66), "No PCI function"), ("pmr:0000:03:00.0", 74, "no NVMe controller"),
    ("pmr:0000:04:00.0", 74, "driver/unbind"), ("pci:0000:01:00.0/4", 74, "pmr:0000:01:00.0"),
    ("pci:01:00.0", 64, "pci:"),
    ("pmr:0000:01:00.0", 65, "holds no BarKV store"),
  ]) func whatIsNoStore(store: String, status: Int32, words: String) throws {
    let outcome = try run("get", store, "key")
    #expect(outcome.status == status && outcome.errors.contains(words), "\(outcome.errors)")
  }
}
