import BarKV
import Testing

/// kvcli peer: a device scripted over several commands.
@Suite struct PeerTests {
  let tool: CommandLineTool
  let store: String

  init() throws {
    tool = try CommandLineTool()
    store = try tool.makeStore()
  }

  /// Writes into the store's file, as another process does through a mapping of its own.
  private func write(_ bytes: [UInt8], at offset: Int) throws {
    var image = try Files.read(store)
    image.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    try Files.write(image, to: store)
  }

  private func reserve(_ key: String, _ length: Int) throws -> (token: String, offset: Int) {
    let report = try JSONReport(tool.run("peer", "reserve", store, key, "\(length)", "--json"))
    #expect(try report.integer("length") == length)
    #expect(try report.string("key") == key)
    return try (report.string("token"), report.integer("offset"))
  }

  @Test func reserveWriteCommit() throws {
    var generator = SeededGenerator(seed: 1)
    let bytes = generator.bytes(10_000)
    let (token, offset) = try reserve("key", bytes.count)
    try write(bytes, at: offset)
    let listed = try tool.run("peer", "list", store)
    #expect(listed.text.hasPrefix("\(token) “key” 10,000 bytes at offset \(offset), address unknown, quarantined, "))
    #expect(try tool.run("info", store).text.contains("\nreservations"))
    #expect(try JSONReport(tool.run("info", store, "--json")).integer("quarantined") == 1)
    let committed = try tool.run("peer", "commit", store, token)
    #expect(committed.status == 0 && committed.text == "committed “key”: 10,000 bytes\n")
    #expect(try tool.run("get", store, "key").output == bytes)
    #expect(try tool.run("peer", "list", store).output == [])
    let again = try tool.run("peer", "commit", store, token)
    #expect(again.status == 1 && again.errors.contains("No reservation has the token \(token)"))
    #expect(try tool.run("verify", store).status == 0)
  }

  @Test func waysToProveIt() throws {
    let bytes = [UInt8](repeating: 7, count: 92) + [8, 7, 6, 5, 4, 3, 2, 1]
    let (first, offset) = try reserve("key", bytes.count)
    let early = try tool.run("peer", "commit", store, first, "--trailer", "102030405060708", "--timeout", "1")
    #expect(early.status == 74 && early.errors.contains("the trailer did not arrive"))
    try write(bytes, at: offset)
    #expect(try tool.run("peer", "commit", store, first, "--trailer", "102030405060708").status == 0)
    let (second, _) = try reserve("other", 9)
    let wrong = try tool.run("peer", "commit", store, second, "--checksum", "1", "--timeout", "0", "--json")
    #expect(wrong.status == 74 && wrong.output == [])
    let report = try JSONReport(tool.run("peer", "commit", store, second, "--completed", "--json"))
    #expect(try report.string("token") == second)
    #expect(try tool.run("get", store, "other").output == [UInt8](repeating: 0, count: 9))
  }

  @Test func abandon() throws {
    let (token, _) = try reserve("key", 100)
    #expect(try tool.run("peer", "abandon", store, token).status == 0)
    #expect(try tool.run("peer", "abandon", store, token).status == 1)
    #expect(try tool.run("exists", store, "key").status == 1)
  }

  @Test func addresses() throws {
    let report = try JSONReport(
      tool.run("peer", "reserve", store, "key", "4KiB", "--address-base", "0x100000000", "--json"))
    let offset = try report.integer("offset")
    #expect(try report.string("address") == "0x" + String(0x1_0000_0000 + offset, radix: 16))
    #expect(try report.string("addressSource") == "caller")
    let list = try tool.run("peer", "list", store, "--json", "--address-base", "100000000").text
    #expect(list.contains("\"state\":\"quarantined\"") && list.contains("\"addressSource\":\"caller\""))
    let file = try tool.run("peer", "reserve", store, "--hex", "00ff", "1")
    #expect(file.text.contains("A file has no bus address"))
  }

  @Test(arguments: [
    ["reserve", "key"], ["reserve", "key", "0"], ["reserve", "key", "10", "--alignment", "3"],
    ["reserve", "key", "10", "--address-base", "xyz"], ["commit", "x"],
    ["commit", "00000001-00000001-00000001", "--completed", "--checksum", "1"],
    ["commit", "00000001-00000001-00000001", "--checksum", "123456789"], ["abandon", "1-2-3"],
  ]) func wrongUse(arguments: [String]) throws {
    let outcome = try tool.run(["peer", arguments[0], store] + arguments.dropFirst())
    #expect(outcome.status == 64 && outcome.errors.hasPrefix("kvcli: "), "\(outcome.errors)")
    #expect(try tool.run("peer", "list", store).output == [])
  }
}
