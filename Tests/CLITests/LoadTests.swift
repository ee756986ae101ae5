import BarKV
import Testing

/// load: what lines mean, and what becomes of bad ones.
@Suite struct LoadTests {
  let tool: CommandLineTool
  let store: String

  init() throws {
    tool = try CommandLineTool()
    store = try tool.makeStore()
  }

  /// Everything in the store, read in this process.
  func contents() throws -> [[UInt8]: [UInt8]] {
    try readEntries(of: store)
  }

  @Test func tabSeparatedLinesAreEntries() throws {
    let text =
      "a\t1\nempty\t\nspaced key\t a value \nescaped\\t\\n\\r\\\\\\x00\\xfF\t\\x5c\\\\\nüñï\t→\n"
      + "last\tno line feed"
    let outcome = try tool.run("load", store, input: Array(text.utf8))
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors == "")
    #expect(outcome.text.hasPrefix("loaded 6 lines "))
    #expect(
      try contents() == [
        Array("a".utf8): Array("1".utf8),
        Array("empty".utf8): [],
        Array("spaced key".utf8): Array(" a value ".utf8),
        Array("escaped\t\n\r\\".utf8) + [0, 255]: Array("\\\\".utf8),
        Array("üñï".utf8): Array("→".utf8),
        Array("last".utf8): Array("no line feed".utf8),
      ])
  }

  @Test func rawBytesOfTabSeparatedLinesStandForThemselves() throws {
    let raw = (UInt8(0)...255).filter { ![9, 10, 92].contains($0) }
    _ = try tool.run("load", store, input: raw + [9] + raw)
    #expect(try contents() == [raw: raw])
  }

  @Test func jsonLinesAreEntries() throws {
    let lines = [
      #"{"key":"a","value":"1"}"#,
      #" { "value" : "" , "key" : "empty" } "#,
      #"{"key":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é","value":"\u0000"}"#,
      #"{"key_base64":"AP8=","value_hex":"0aFF"}"#,
    ]
    let outcome = try tool.run("load", store, "--format", "jsonl", input: Array(lines.joined(separator: "\n").utf8))
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(
      try contents() == [
        Array("a".utf8): Array("1".utf8),
        Array("empty".utf8): [],
        Array("\"\\/\u{8}\u{C}\n\r\té😀é".utf8): [0],
        [0, 255]: [10, 255],
      ])
  }

  @Test func theFormIsSaidByTheOptionElseByTheName() throws {
    let json = Array("{\"key\":\"a\",\"value\":\"1\"}\n".utf8)
    try Files.write(json, to: tool.path("entries.jsonl"))
    try Files.write(json, to: tool.path("entries"))
    #expect(try tool.run("load", store, tool.path("entries.jsonl")).status == 0)
    #expect(try contents() == [Array("a".utf8): Array("1".utf8)])
    let refused = try tool.run("load", store, tool.path("entries"))
    #expect(refused.status == 65)
    #expect(refused.errors.contains("--format jsonl"))
    #expect(try tool.run("load", store, tool.path("entries"), "--format", "jsonl").status == 0)
    #expect(try tool.run("load", store, tool.path("entries.jsonl"), "--format", "tsv").status == 65)
  }

  @Test func columnsCanBeEncoded() throws {
    #expect(try tool.run("load", store, "--hex", input: Array("00ff\t0A\n61\t\n".utf8)).status == 0)
    #expect(try tool.run("load", store, "--base64", input: Array("Yg==\tAAE=\n".utf8)).status == 0)
    #expect(try contents() == [[0, 255]: [10], [97]: [], [98]: [0, 1]])
  }

  @Test func laterLinesWin() throws {
    #expect(try tool.run("load", store, input: Array("k\t1\nk\t2\nk\t3\n".utf8)).status == 0)
    #expect(try contents() == [Array("k".utf8): Array("3".utf8)])
  }

  @Test func nothingIsAnEmptyLoad() throws {
    let outcome = try tool.run("load", store, "--json")
    #expect(outcome.status == 0)
    #expect(try JSONReport(outcome).integer("lines") == 0)
  }

  // MARK: Groups

  @Test(arguments: [1, 7, 25, 1000])
  func groupsHaveTheSizeAskedFor(size: Int) throws {
    let lines = (0..<25).map { "key\($0)\tvalue\($0)\n" }.joined()
    let outcome = try tool.run("load", store, "--batch", "\(size)", "--json", input: Array(lines.utf8))
    let report = try JSONReport(outcome)
    #expect(try report.integer("lines") == 25)
    #expect(try report.integer("groups") == (25 + size - 1) / size)
    #expect(try contents().count == 25)
  }

  @Test func acknowledgementsCountTheDurableLines() throws {
    let lines = (0..<25).map { "key\($0)\tvalue\($0)\n" }.joined()
    let outcome = try tool.run("load", store, "--batch", "10", "--acknowledge", input: Array(lines.utf8))
    #expect(outcome.text == "10\n20\n25\n")
    #expect(outcome.errors.hasPrefix("kvcli: loaded 25 lines "))
  }

  @Test func aSmallStoreTakesSmallerGroups() throws {
    let store = try tool.makeStore("small", size: "64KiB")
    let lines = (0..<100).map { "key\($0)\t\(String(repeating: "v", count: 200))\n" }.joined()
    let outcome = try tool.run("load", store, input: Array(lines.utf8))
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try readEntries(of: store).count == 100)
  }

  @Test func aFullStoreSaysWhatItHolds() throws {
    let store = try tool.makeStore("small", size: "64KiB")
    let lines = (0..<1000).map { "key\($0)\t\(String(repeating: "v", count: 200))\n" }
    let outcome = try tool.run("load", store, "--acknowledge", input: Array(lines.joined().utf8))
    #expect(outcome.status == 73)
    let stored = try #require(outcome.text.split(separator: "\n").last.flatMap { Int($0) })
    #expect((1..<1000).contains(stored))
    #expect(outcome.errors.contains("line"))
    #expect(outcome.errors.contains("\(stored) lines stored before"), "\(outcome.errors)")
    let entries = try readEntries(of: store)
    #expect(entries.count == stored)
    #expect(entries[Array("key\(stored - 1)".utf8)] != nil)
  }

  // MARK: Bad lines

  /// Lines that are no entry, each with a part of what is said about it.
  static let badLines: [(format: String, line: String, reason: String)] = [
    ("tsv", "no tab", "no tab between key and value"),
    ("tsv", "", "no tab between key and value"),
    ("tsv", "k\tv\tw", "more than one tab"),
    ("tsv", "k\tv\r", "CR LF"),
    ("tsv", "\tv", "a key has 1 to"),
    ("tsv", "k\\\tv", "backslash"),
    ("tsv", "k\\q\tv", "backslash"),
    ("tsv", "k\t\\x1", "\\x in the value needs two"),
    ("tsv", "k\t\\xgg", "\\x in the value needs two"),
    ("jsonl", "", "no JSON object"),
    ("jsonl", "[]", "no JSON object"),
    ("jsonl", "{}", "no key"),
    ("jsonl", #"{"key":"k"}"#, "no value"),
    ("jsonl", #"{"value":"v"}"#, "no key"),
    ("jsonl", #"{"key":"","value":"v"}"#, "a key has 1 to"),
    ("jsonl", #"{"key":"k","value":1}"#, "strings only"),
    ("jsonl", #"{"key":"k","value":null}"#, "strings only"),
    ("jsonl", #"{"key":"k","value":"v","ttl":"1"}"#, "unknown member “ttl”"),
    ("jsonl", #"{"key":"k","key_hex":"00","value":"v"}"#, "more than one key"),
    ("jsonl", #"{"key":"k","value":"v"} x"#, "something follows"),
    ("jsonl", #"{"key":"k","value":"v""#, "does not end"),
    ("jsonl", #"{"key":"k","value":"v}"#, "does not end"),
    ("jsonl", #"{"key":"k","value":"\x"}"#, "backslash"),
    ("jsonl", #"{"key":"k","value":"\u12"}"#, "four hexadecimal digits"),
    ("jsonl", #"{"key":"k","value":"\ud83d"}"#, "surrogate"),
    ("jsonl", #"{"key":"k","value":"\ude00\ud83d"}"#, "surrogate"),
    ("jsonl", "{\"key\":\"k\",\"value\":\"\u{1}\"}", "control character"),
    ("jsonl", #"{"key_hex":"0","value":"v"}"#, "not hexadecimal"),
    ("jsonl", #"{"key_base64":"A","value":"v"}"#, "not Base64"),
  ]

  @Test(arguments: badLines)
  func aBadLineIsNamedAndTheLinesBeforeItAreStored(format: String, line: String, reason: String) throws {
    let good = format == "tsv" ? ["a\t1", "b\t2"] : [#"{"key":"a","value":"1"}"#, #"{"key":"b","value":"2"}"#]
    let after = format == "tsv" ? "c\t3" : #"{"key":"c","value":"3"}"#
    let text = (good + [line, after]).joined(separator: "\n") + "\n"
    let outcome = try tool.run("load", store, "--format", format, input: Array(text.utf8))
    #expect(outcome.status == 65)
    #expect(outcome.errors.hasPrefix("kvcli: standard input: line 3: "), "\(outcome.errors)")
    #expect(outcome.errors.contains(reason), "\(outcome.errors)")
    #expect(outcome.errors.hasSuffix("the 2 lines before it are in the store\n"), "\(outcome.errors)")
    #expect(try contents() == [Array("a".utf8): Array("1".utf8), Array("b".utf8): Array("2".utf8)])
  }

  @Test func bytesThatAreNoTextAreRefusedInJSON() throws {
    let outcome = try tool.run(
      "load", store, "--format", "jsonl", input: Array("{\"key\":\"".utf8) + [0xFF] + Array("\",\"value\":\"\"}\n".utf8)
    )
    #expect(outcome.status == 65)
    #expect(outcome.errors.contains("not valid UTF-8"))
  }

  @Test func aLongKeyIsABadLine() throws {
    let outcome = try tool.run("load", store, input: [UInt8](repeating: 97, count: 65_536) + Array("\tv\n".utf8))
    #expect(outcome.status == 65)
    #expect(outcome.errors.contains("line 1: a key has 1 to "), "\(outcome.errors)")
    #expect(outcome.errors.hasSuffix("nothing was stored\n"), "\(outcome.errors)")
  }
}

/// Every entry of the store at `path`, read in this process.
func readEntries(of path: String) throws -> [[UInt8]: [UInt8]] {
  let store = try Store.open(at: StoreAddress(path: path), access: .readOnly)
  var entries: [[UInt8]: [UInt8]] = [:]
  try store.forEach { (key: RawSpan, value: RawSpan) -> Void in
    unsafe key.withUnsafeBytes { key in
      unsafe value.withUnsafeBytes { value in
        unsafe entries[Array(key)] = Array(value)
      }
    }
  }
  try store.close()
  return entries
}
