import BarKV
import Testing

/// compact and backup, and what info says about space.
@Suite struct MaintenanceTests {
  let tool: CommandLineTool

  init() throws {
    tool = try CommandLineTool()
  }

  /// A store most of whose entries were replaced.
  func storeWithGarbage() throws -> String {
    let store = try tool.makeStore(size: "4MiB")
    let value = String(repeating: "v", count: 200)
    for round in 0..<4 {
      let lines = (0..<2000).map { "key\($0)\t\(round)\(value)\n" }.joined()
      try #require(try tool.run("load", store, input: Array(lines.utf8)).status == 0)
    }
    return store
  }

  @Test func infoSaysWhatFits() throws {
    let store = try storeWithGarbage()
    #expect(try tool.run("compact", store).status == 0)
    #expect(try tool.run("put", store, "k", "v").status == 0)
    let report = try JSONReport(tool.run("info", store, "--json"))
    let (region, capacity) = try (report.integer("regionBytes"), report.integer("capacityBytes"))
    #expect(try report.integer("metadataBytes") == region - capacity)
    let (live, usable) = try (report.integer("liveBytes"), report.integer("usableBytes"))
    #expect(live < usable && usable < capacity)
    #expect(try report.integer("residentIndexBytes") <= report.integer("indexBytes"))
    #expect(try report.integer("runs") > 0)
    #expect(try report.integer("runBytes") > 8 * 2000)
    #expect(try report.integer("tailBytes") > 0)
    let largest = try report.integer("largestValueBytes")
    #expect(largest > 4096 && largest < capacity)
    // A key of 28 bytes, for which it is exact; nothing is there to be made room of that a second one would not need.
    let value = tool.path("value")
    try Files.write([UInt8](repeating: 1, count: largest), to: value)
    #expect(try tool.run("put", store, String(repeating: "k", count: 28), "--file", value).status == 0)
    let text = try tool.run("info", store).text
    for name in ["usable", "largest value", "index", "tail", "metadata", "reserved"] {
      #expect(text.contains("\n\(name) "), "\(name) in \(text)")
    }
  }

  @Test func infoCountsAfterAKill() throws {
    let store = try tool.makeStore(size: "16MiB")
    let lines = (0..<20_000).map { "key\($0 % 15_000)\tvalue\n" }.joined()
    try #require(try tool.run("load", store, input: Array(lines.utf8)).status == 0)
    // The image of an open store is what a kill leaves.
    let owner = try Store.open(at: StoreAddress(path: store))
    for number in 0..<5000 { try owner.put("new", for: "key\(number)") }
    try Files.write(try Files.read(store), to: tool.path("killed"))
    let live = owner.statistics.liveBytes
    try owner.close()
    let report = try JSONReport(tool.run("info", tool.path("killed"), "--json"))
    #expect(try report.object("recovery").boolean("wasClosed") == false)
    #expect(try report.integer("keys") == 15_000)
    #expect(try report.integer("liveBytes") == Int(live))
  }

  @Test func compactSetsFree() throws {
    let store = try storeWithGarbage()
    let before = try JSONReport(tool.run("info", store, "--json"))
    let outcome = try tool.run("compact", store, "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors == "", "no progress where nobody sees it")
    let report = try JSONReport(outcome)
    let freed = try report.integer("freedBytes")
    #expect(freed > 500_000)
    #expect(try report.integer("freeBytes") > before.integer("freeBytes"))
    #expect(try report.integer("liveBytes") == before.integer("liveBytes"))
    let after = try JSONReport(tool.run("info", store, "--json"))
    #expect(try after.integer("keys") == 2000)
    #expect(try after.integer("freeBytes") - before.integer("freeBytes") >= freed / 2)
    #expect(try tool.run("verify", store).status == 0)
    #expect(try tool.run("get", store, "key7").text == "3" + String(repeating: "v", count: 200))
    // Nothing is left to do.
    let again = try tool.run("compact", store)
    #expect(again.status == 0)
    #expect(again.text.hasPrefix("compacted \(store): "), "\(again.text)")
  }

  @Test func aBackupIsTheStore() throws {
    let store = try storeWithGarbage()
    let before = try Files.read(store)
    let image = tool.path("image")
    let outcome = try tool.run("backup", store, image, "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors == "")
    let report = try JSONReport(outcome)
    #expect(try report.integer("keys") == 2000)
    #expect(try report.integer("regionBytes") == 4 << 20)
    #expect(try report.integer("copiedBytes") < 4 << 20)
    #expect(try report.string("file") == "file:\(image)")
    #expect(try Files.read(store) == before, "a backup changes nothing")
    #expect(try tool.run("verify", image).status == 0)
    #expect(try readEntries(of: image) == readEntries(of: store))
    #expect(try JSONReport(tool.run("info", image, "--json")).object("recovery").boolean("wasClosed"))
    #expect(try tool.run("put", image, "another", "value").status == 0)
    #expect(try tool.run("get", store, "another").status == 1)
  }

  @Test func aBackupOverwritesNothingUnasked() throws {
    let store = try tool.makeStore(size: "1MiB")
    #expect(try tool.run("put", store, "k", "v").status == 0)
    let image = tool.path("image")
    try Files.write(Array("something".utf8), to: image)
    let refused = try tool.run("backup", store, image)
    #expect(refused.status == 73)
    #expect(refused.errors.contains("--force"), "\(refused.errors)")
    #expect(try Files.read(image) == Array("something".utf8))
    #expect(try tool.run("backup", store, image, "--force").status == 0)
    #expect(try tool.run("get", image, "k").text == "v")
    #expect(!Files.exists(image + ".partial"))
    // Never itself, nor another store in use.
    #expect(try tool.run("backup", store, store).status == 73)
    #expect(try tool.run("backup", store, store, "--force").status == 75)
    let owner = try Store.open(at: StoreAddress(path: image))
    #expect(try tool.run("backup", store, image, "--force").status == 75)
    #expect(try owner.getString("k") == "v")
    try owner.close()
  }

  @Test func statusesOfBackupAndCompact() throws {
    let absent = tool.path("absent")
    #expect(try tool.run("backup", absent, tool.path("image")).status == 66)
    #expect(try tool.run("compact", absent).status == 66)
    #expect(!Files.exists(tool.path("image")))
    let store = try tool.makeStore(size: "1MiB")
    #expect(try tool.run("backup", store, tool.path("absent/image")).status == 73)
    #expect(try tool.run("backup", store).status == 64)
    for device in ["pci:0000:01:00.0/2", "pmr:0000:01:00.0", "dax:\(tool.path("dax"))"] {
      #expect(try tool.run("backup", store, device, "--force").status == 64, "\(device)")
    }
    #expect(!Files.exists(tool.path("dax")) && !Files.exists(tool.path("dax.partial")))
    let owner = try Store.open(at: StoreAddress(path: store))
    #expect(try tool.run("backup", store, tool.path("image")).status == 75)
    #expect(try tool.run("compact", store).status == 75)
    try owner.close()
  }
}
