import BarKV
import Testing

/// Each exit status that a script may rely on, made to happen.
@Suite struct ExitStatusTests {
  let tool: CommandLineTool

  init() throws {
    tool = try CommandLineTool()
  }

  /// One run of kvcli that must end with `status` and one message.
  func expect(_ status: Int32, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
    let outcome = try tool.run(arguments)
    #expect(outcome.status == status, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.errors.hasPrefix("kvcli: "), "\(outcome.errors)", sourceLocation: sourceLocation)
    // What is wrong with the arguments comes with a reminder of the usage; everything else is one line.
    if status != 64 {
      #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
    }
    #expect(outcome.text == "", "\(arguments)", sourceLocation: sourceLocation)
  }

  // MARK: 2, damage found by verify; 65, corrupt

  /// A closed store with a few entries, each value 100 bytes of its own.
  func storeWithEntries() throws -> String {
    let store = try tool.makeStore(size: "1MiB")
    let lines = (0..<20).map { "key\($0)\t\(Self.value($0))\n" }.joined()
    try #require(try tool.run("load", store, "--batch", "1", input: Array(lines.utf8)).status == 0)
    return store
  }

  /// The value of an entry.
  static func value(_ number: Int) -> String {
    String(repeating: "<value \(number)>", count: 10)
  }

  @Test func verifyFindsAFlippedByte() throws {
    let store = try storeWithEntries()
    #expect(try tool.run("verify", store).status == 0)
    var bytes = try Files.read(store)
    let places = positions(of: Array(Self.value(7).utf8), in: bytes)
    try #require(places.count == 1)
    bytes[places[0] + 50] ^= 0x10
    try Files.write(bytes, to: store)

    let text = try tool.run("verify", store)
    #expect(text.status == 2, "\(text.text)\(text.errors)")
    #expect(text.text.contains("damaged: record at offset "), "\(text.text)")
    let report = try JSONReport(tool.run("verify", store, "--json"))
    #expect(try report.boolean("sound") == false)
    #expect(try report.integer("damageCount") == 1)
    let damage = try #require(try report.objects("damage").first)
    let (offset, length) = try (damage.integer("offset"), damage.integer("length"))
    #expect((offset..<offset + length).contains(places[0] + 50))
    #expect(try tool.run("get", store, "key7").status == 1)
    // Every other entry is still there.
    #expect(try tool.run("get", store, "key6").text == Self.value(6))
    #expect(try tool.run("get", store, "key8").text == Self.value(8))
  }

  /// Where the region's superblocks start.
  static func superblocks(in bytes: [UInt8]) throws -> [Int] {
    let places = positions(of: Array("BarKV\r\n\u{1A}".utf8), in: bytes)
    try #require(places.count == 2)
    return places
  }

  @Test func aSuperblockWithoutACopyIsCorrupt() throws {
    let store = try storeWithEntries()
    var bytes = try Files.read(store)
    for place in try Self.superblocks(in: bytes) { bytes[place + 40] ^= 1 }
    try Files.write(bytes, to: store)
    for command in ["info", "verify", "dump", "load"] { try expect(65, command, store) }
    try expect(65, "get", store, "key1")
    try expect(65, "put", store, "key1", "value")
    #expect(try Files.read(store) == bytes, "a region that cannot be opened is left as it is")
  }

  @Test func aSuperblockWithACopyIsDamage() throws {
    let store = try storeWithEntries()
    var bytes = try Files.read(store)
    bytes[try Self.superblocks(in: bytes)[0] + 40] ^= 1
    try Files.write(bytes, to: store)
    #expect(try tool.run("get", store, "key3").text == Self.value(3))
    #expect(try tool.run("verify", store).status == 2)
  }

  @Test func anotherFileIsNoStore() throws {
    try Files.write(Array(repeating: 0x20, count: 1 << 16), to: tool.path("text"))
    try Files.write([], to: tool.path("empty"))
    for name in ["text", "empty"] {
      try expect(65, "info", tool.path(name))
      try expect(65, "put", tool.path(name), "k", "v")
    }
    #expect(try Files.read(tool.path("text")) == Array(repeating: 0x20, count: 1 << 16))
  }

  @Test func aCutStoreIsCorrupt() throws {
    let store = try storeWithEntries()
    try Files.write(Array(try Files.read(store).prefix(700_000)), to: store)
    try expect(65, "info", store)
  }

  // MARK: 64, usage

  @Test(arguments: [
    [], ["frobnicate"], ["--frobnicate"], ["get"], ["get", "store"], ["get", "store", "k", "extra"],
    ["put", "store", "k"], ["put", "store", "k", "v", "--file", "f"], ["put", "store", "k", "v", "--hex", "--base64"],
    ["put", "store", "-k", "v"], ["create", "store"], ["create", "store", "--size", "1XB"],
    ["create", "store", "--size", "-1"], ["create", "store", "--size", "MiB"], ["create", "store", "--size", ""],
    ["create", "store", "--size", "99999999TiB"], ["create", "store", "--size", "99999999999999999999"],
    ["load", "store", "--batch", "0"], ["load", "store", "--batch", "x"], ["load", "store", "--format", "xml"],
    ["load", "store", "--acknowledge", "--json"], ["dump", "store", "--format", "csv"], ["info", ""],
    ["info", "pci:0000:01:00.0"], ["info", "dax:"], ["bench", "store", "--size", "1MiB"],
    ["bench", "store", "--records", "0"], ["bench", "store", "--workloads", "put,fly"],
    ["bench", "store", "--threads", "0"],
    ["bench", "store", "--key-size", "9"], ["bench", "store", "--workloads", ""],
  ])
  func wrongUsage(arguments: [String]) throws {
    let outcome = try tool.run(arguments)
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(outcome.errors.hasPrefix("kvcli: "), "\(outcome.errors)")
    #expect(outcome.errors.contains("--help"), "\(outcome.errors)")
    #expect(outcome.output == [])
  }

  @Test func limitsOfKeysAndRegions() throws {
    let store = try tool.makeStore()
    try expect(64, "put", store, "", "v")
    try expect(64, "get", store, "")
    try expect(64, "put", store, String(repeating: "k", count: 65_536), "v")
    try expect(64, "create", tool.path("tiny"), "--size", "100")
    try expect(64, "create", tool.path("odd"), "--size", "1MiB", "--segment-size", "1000")
    #expect(!Files.exists(tool.path("tiny")))
    #expect(!Files.exists(tool.path("odd")))
  }

  @Test func aStorePathThatIsNoTextIsRefused() throws {
    let outcome = try tool.run(bytes: [Array("info".utf8), Array(tool.path("store").utf8) + [0xFF]])
    #expect(outcome.status == 64)
    #expect(outcome.errors.contains("UTF-8"))
  }

  // MARK: 66, no such store

  @Test func whatIsNotThere() throws {
    let absent = tool.path("absent")
    for command in ["info", "verify", "dump", "load", "bench"] { try expect(66, command, absent) }
    for command in ["get", "exists", "delete"] { try expect(66, command, absent, "k") }
    try expect(66, "put", absent, "k", "v")
    #expect(!Files.exists(absent))
    let store = try tool.makeStore()
    try expect(66, "load", store, absent)
    try expect(66, "put", store, "k", "--file", absent)
  }

  // MARK: 73, full or cannot create

  @Test func createDoesNotOverwrite() throws {
    let store = try storeWithEntries()
    let before = try Files.read(store)
    try expect(73, "create", store, "--size", "1MiB")
    #expect(try Files.read(store) == before)
    #expect(try tool.run("create", store, "--size", "2MiB", "--force").status == 0)
    #expect(try Files.read(store).count == 2 << 20)
    #expect(try tool.run("get", store, "key1").status == 1)
    try Files.write(Array("not a store".utf8), to: tool.path("text"))
    try expect(73, "create", tool.path("text"), "--size", "1MiB")
    #expect(try Files.read(tool.path("text")) == Array("not a store".utf8))
  }

  @Test func whatCannotBeCreated() throws {
    try expect(73, "create", tool.path("absent/store"), "--size", "1MiB")
    let store = try storeWithEntries()
    try expect(73, "get", store, "key1", "-o", tool.path("absent/file"))
    try expect(73, "bench", tool.path("absent/store"), "--create", "--records", "10")
  }

  @Test func aFullStoreRefusesPutsAndStillDeletes() throws {
    let store = try tool.makeStore(size: "64KiB")
    let value = String(repeating: "v", count: 1000)
    var stored = 0
    var last: Int32? = 0
    while last == 0, stored < 100 {
      last = try tool.run("put", store, "key\(stored)", value).status
      if last == 0 { stored += 1 }
    }
    #expect(last == 73)
    #expect((1..<70).contains(stored))
    try expect(73, "put", store, "another", value)
    for number in 0..<stored {
      #expect(try tool.run("get", store, "key\(number)").text == value)
      #expect(try tool.run("delete", store, "key\(number)").status == 0)
    }
    #expect(try JSONReport(tool.run("info", store, "--json")).integer("keys") == 0)
  }

  // MARK: 74, device or I/O error

  @Test func aFullDeviceIsAnIOError() throws {
    let store = try storeWithEntries()
    try expect(74, "get", store, "key1", "-o", "/dev/full")
    let commands = [
      ["get", store, "key1"], ["dump", store], ["info", store], ["verify", store, "--json"], ["--help"],
    ]
    for arguments in commands {
      let outcome = try tool.run(bytes: arguments.map { Array($0.utf8) }, output: .file("/dev/full"))
      #expect(outcome.status == 74, "\(arguments)")
      #expect(outcome.errors == "kvcli: standard output: No space left on device\n", "\(arguments)")
    }
  }

  @Test func aFolderIsNeitherStoreNorFile() throws {
    try expect(65, "info", tool.folder)
    let store = try storeWithEntries()
    try expect(74, "load", store, tool.folder)
    try expect(74, "put", store, "k", "--file", tool.folder)
  }

  // MARK: 75, busy

  @Test func aStoreInUseIsBusy() throws {
    let path = try storeWithEntries()
    let owner = try Store.open(at: StoreAddress(path: path))
    for command in ["info", "verify", "dump", "load", "bench"] { try expect(75, command, path) }
    try expect(75, "get", path, "key1")
    try expect(75, "put", path, "key1", "value")
    try expect(75, "create", path, "--size", "1MiB", "--force")
    #expect(try owner.getString("key1") == Self.value(1))
    try owner.close()
    #expect(try tool.run("get", path, "key1").text == Self.value(1))
  }

  @Test func readersShareAStore() throws {
    let path = try storeWithEntries()
    let reader = try Store.open(at: StoreAddress(path: path), access: .readOnly)
    #expect(try tool.run("get", path, "key1").text == Self.value(1))
    #expect(try tool.run("info", path).status == 0)
    try expect(75, "put", path, "key1", "value")
    try reader.close()
  }
}
