import BarKV
import Testing

/// dump: what it writes, and that load reads the same entries from it.
@Suite struct DumpTests {
  let tool: CommandLineTool

  init() throws {
    tool = try CommandLineTool()
  }

  /// Ways to write a dump, and to read it.
  static let forms: [[String]] = [
    ["--format", "tsv"], ["--format", "tsv", "--hex"], ["--format", "tsv", "--base64"],
    ["--format", "jsonl"], ["--format", "jsonl", "--hex"], ["--format", "jsonl", "--base64"],
  ]

  /// Entries that an escape could get wrong, and random ones.
  func awkwardEntries(_ random: inout SeededGenerator) -> [[UInt8]: [UInt8]] {
    let all = (UInt8(0)...255).map { $0 }
    var entries: [[UInt8]: [UInt8]] = [all: all.reversed()]
    for byte in all {
      entries[[byte]] = []
      entries[[byte, byte]] = [byte]
      entries[Array("k".utf8) + [byte] + Array("k".utf8)] = Array("é".utf8) + [byte] + Array("x41".utf8)
    }
    let texts = [
      "{", "{\"key\":\"a\",\"value\":\"b\"}", "\\", "\\\\", "\\x41", "\\t", "\\n", "a\r", "\r\n", "\t\n", "\"", "é",
      "e\u{301}", "\u{7F}", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{FFFD}", "\u{10FFFF}", "😀", "\\u0041", "#", " ", "-",
      "--hex",
    ]
    for text in texts { entries[Array(text.utf8)] = Array(text.utf8) }
    // Sequences cut short, overlong ones, surrogates, and beyond the last code point.
    let broken: [[UInt8]] = [
      [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
      [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC3, 0xC3, 0xA9],
    ]
    for bytes in broken { entries[bytes + [0x41]] = [0x41] + bytes }
    for _ in 0..<300 {
      let key = random.bytes(Int.random(in: 1...60, using: &random))
      entries[key] = random.bytes(Int.random(in: 0...300, using: &random))
    }
    // More than one piece of an encoder and of a writer.
    entries[Array("large".utf8)] = random.bytes(150_001)
    return entries
  }

  @Test(arguments: forms)
  func loadOfADumpIsTheIdentity(form: [String]) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let entries = awkwardEntries(&random)
    let source = tool.path("source")
    let store = try Store.create(at: StoreAddress(path: source), size: 16 << 20)
    for (key, value) in entries { try store.put(value, for: key, durability: .deferred) }
    try store.persist()
    try store.close()

    let dump = try tool.run(["dump", source] + form)
    #expect(dump.status == 0, "\(dump.errors)")
    #expect(dump.errors == "")
    let target = try tool.makeStore("target", size: "16MiB")
    let load = try tool.run(["load", target, "--json"] + form, input: dump.output)
    #expect(load.status == 0, "seed \(seed): \(load.errors)")
    #expect(try JSONReport(load).integer("lines") == entries.count)
    #expect(try readEntries(of: target) == entries, "seed \(seed)")
  }

  @Test func escapesAreThoseOfTheReference() throws {
    let store = try tool.makeStore()
    for (key, value) in [("616263", ""), ("5c090a0d", "001b7f"), ("c3a9", "c3"), ("ff", "e282ac"), ("7e20", "c285")] {
      #expect(try tool.run("put", store, "--hex", key, value).status == 0)
    }
    let lines = try tool.run("dump", store).output.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    #expect(
      Set(lines) == ["abc\t", "\\\\\\t\\n\\r\t\\x00\\x1b\\x7f", "é\t\\xc3", "\\xff\t€", "~ \t\u{85}"])
    let json = try tool.run("dump", store, "--format", "jsonl").text.split(separator: "\n")
    #expect(
      Set(json) == [
        #"{"key":"abc","value":""}"#, #"{"key":"\\\t\n\r","value":"\u0000\u001b\u007f"}"#,
        #"{"key":"é","value_base64":"ww=="}"#, #"{"key_base64":"/w==","value":"€"}"#,
        "{\"key\":\"~ \",\"value\":\"\u{85}\"}",
      ])
    let hex = try tool.run("dump", store, "--format", "jsonl", "--hex").text.split(separator: "\n")
    #expect(hex.contains(#"{"key_hex":"ff","value_hex":"e282ac"}"#))
  }

  @Test func everyJSONLineIsReadByAnotherParser() throws {
    let store = try tool.makeStore()
    let value = "\"\\/\u{8}\u{C}\n\r\t\u{0}\u{1F}\u{7F}é😀"
    #expect(try tool.run("put", store, "k", "-", input: Array(value.utf8)).status == 0)
    let report = try JSONReport(tool.run("dump", store, "--format", "jsonl"))
    #expect(try report.string("key") == "k")
    #expect(try report.string("value") == value)
  }

  @Test func anEmptyStoreIsAnEmptyDump() throws {
    let store = try tool.makeStore()
    let outcome = try tool.run("dump", store)
    #expect(outcome.status == 0)
    #expect(outcome.output == [])
  }
}
