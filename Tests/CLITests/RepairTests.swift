import BarKV
import Testing

/// repair: its statuses, its reports, and where the repaired store is.
@Suite struct RepairTests {
  let tool: CommandLineTool

  init() throws {
    tool = try CommandLineTool()
  }

  /// A store of ten entries, one of which is damaged.
  func damagedStore() throws -> String {
    let store = try tool.makeStore(size: "1MiB")
    let lines = (0..<10).map { "key\($0)\t<value \($0)>\n" }.joined()
    try #require(try tool.run("load", store, "--batch", "1", input: Array(lines.utf8)).status == 0)
    // So that a checkpoint has all of them, and the index proves keys right.
    try #require(try tool.run("compact", store).status == 0)
    try damage("<value 7>", in: store)
    return store
  }

  func damage(_ text: String, in store: String) throws {
    var bytes = try Files.read(store)
    let places = positions(of: Array(text.utf8), in: bytes)
    try #require(!places.isEmpty)
    for place in places { bytes[place + 3] ^= 1 }
    try Files.write(bytes, to: store)
  }

  @Test func aSoundStore() throws {
    let store = try tool.makeStore(size: "1MiB")
    #expect(try tool.run("put", store, "k", "v").status == 0)
    let before = try Files.read(store)
    let outcome = try tool.run("repair", store)
    #expect(outcome.status == 0)
    #expect(outcome.text.hasPrefix("\(store): nothing is damaged; 1 key, "), "\(outcome.text)")
    #expect(outcome.errors == "")
    #expect(try Files.read(store) == before)
  }

  @Test func whatIsLostIsListed() throws {
    let store = try damagedStore()
    #expect(try tool.run("verify", store).status == 2)
    let outcome = try tool.run("repair", store, "--json")
    #expect(outcome.status == 2, "\(outcome.errors)")
    #expect(outcome.errors == "", "no progress where nobody sees it")
    let report = try JSONReport(outcome)
    #expect(try report.string("outcome") == "salvaged")
    #expect(try report.integer("keys") == 9)
    #expect(try report.integer("damageCount") == 1)
    #expect(try report.integer("lossCount") == 1)
    #expect(try report.boolean("mayHoldDeletedKeys") == false)
    let loss = try #require(try report.objects("losses").first)
    #expect(try loss.string("key") == "key7")
    #expect(try loss.string("kind") == "record")
    #expect(try tool.run("verify", store).status == 0)
    #expect(try tool.run("get", store, "key7").status == 1)
    #expect(try tool.run("get", store, "key6").text == "<value 6>")
    #expect(!Files.exists(store + ".partial"))
    // Nothing is wrong with it any more.
    #expect(try tool.run("repair", store).status == 0)
  }

  @Test func toAnotherFile() throws {
    let store = try damagedStore()
    let before = try Files.read(store)
    let other = tool.path("other")
    let outcome = try tool.run("repair", store, "--to", other, "--size", "2MiB")
    #expect(outcome.status == 2, "\(outcome.errors)")
    #expect(outcome.text.contains("damaged: record at offset "), "\(outcome.text)")
    #expect(outcome.text.contains("lost: the value of “key7”, record at offset "), "\(outcome.text)")
    #expect(outcome.text.contains("\(other): what is whole was copied to a new store; 9 keys, "), "\(outcome.text)")
    #expect(try Files.read(store) == before)
    #expect(try Files.read(other).count == 2 << 20)
    #expect(try tool.run("verify", other).status == 0)
    #expect(try tool.run("repair", store, "--to", other).status == 73)
    #expect(try tool.run("repair", store, "--to", other, "--force").status == 2)
    #expect(try Files.read(other).count == 1 << 20)
  }

  @Test func aCopyIsMended() throws {
    let store = try tool.makeStore(size: "1MiB")
    #expect(try tool.run("put", store, "k", "v").status == 0)
    var bytes = try Files.read(store)
    bytes[40] ^= 1
    try Files.write(bytes, to: store)
    #expect(try tool.run("verify", store).status == 2)
    let outcome = try tool.run("repair", store)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.text.contains("\(store): mended in place; 1 key, "), "\(outcome.text)")
    #expect(try tool.run("verify", store).status == 0)
    #expect(try tool.run("get", store, "k").text == "v")
  }

  @Test func statuses() throws {
    #expect(try tool.run("repair", tool.path("absent")).status == 66)
    try Files.write(Array(repeating: 0x20, count: 1 << 16), to: tool.path("text"))
    #expect(try tool.run("repair", tool.path("text")).status == 65)
    let store = try damagedStore()
    for arguments in [
      ["--size", "1MiB"], ["--force"], ["--to"], ["--to", ""], ["--to", "pci:0000:01:00.0/2"],
      ["--to", "dax:\(tool.path("dax"))"],
    ] {
      #expect(try tool.run(["repair", store] + arguments).status == 64, "\(arguments)")
    }
    #expect(!Files.exists(tool.path("dax")) && !Files.exists(tool.path("dax.partial")))
    #expect(try tool.run("repair", store, "--to", tool.path("absent/file")).status == 73)
    let before = try Files.read(store)
    let small = try tool.run("repair", store, "--to", tool.path("small"), "--size", "100")
    #expect(small.status == 64)
    let owner = try Store.open(at: StoreAddress(path: store), access: .readOnly)
    #expect(try tool.run("repair", store).status == 75)
    #expect(try Files.read(store) == before)
    try owner.close()
    var bytes = before
    for place in positions(of: Array("BarKV\r\n\u{1A}".utf8), in: bytes) { bytes[place + 40] ^= 1 }
    try Files.write(bytes, to: store)
    #expect(try tool.run("repair", store).status == 65)
    #expect(try Files.read(store) == bytes)
  }
}
