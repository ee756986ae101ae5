import Testing

/// put, get, delete and exists: bytes in, the same bytes out.
@Suite struct EntryTests {
  let tool: CommandLineTool
  let store: String

  init() throws {
    tool = try CommandLineTool()
    store = try tool.makeStore()
  }

  /// Runs kvcli, which must succeed, and answers what it wrote to standard output.
  func output(_ arguments: String..., input: [UInt8] = []) throws -> [UInt8] {
    let outcome = try tool.run(arguments, input: input)
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
    #expect(outcome.errors == "", "\(arguments)")
    return outcome.output
  }

  @Test func getWritesWhatPutStoredAndNothingElse() throws {
    #expect(try output("put", store, "k", "v") == [])
    #expect(try output("get", store, "k") == Array("v".utf8))
  }

  @Test func putReplaces() throws {
    _ = try output("put", store, "k", "first")
    _ = try output("put", store, "k", "second")
    #expect(try output("get", store, "k") == Array("second".utf8))
  }

  @Test func emptyValueIsPresent() throws {
    _ = try output("put", store, "k", "")
    #expect(try output("get", store, "k") == [])
    #expect(try output("exists", store, "k") == [])
  }

  @Test func dashesNeedASeparator() throws {
    _ = try output("put", store, "--", "-key", "--value")
    #expect(try output("get", store, "--", "-key") == Array("--value".utf8))
    #expect(try tool.run("put", store, "-key", "value").status == 64)
    _ = try output("delete", store, "--", "-key")
    #expect(try tool.run("exists", store, "--", "-key").status == 1)
  }

  @Test func absentKeysEndWithStatusOneAndWriteNothing() throws {
    for command in ["get", "delete", "exists"] {
      let outcome = try tool.run(command, store, "absent")
      #expect(outcome.status == 1, "\(command)")
      #expect(outcome.output == [], "\(command)")
    }
    #expect(try tool.run("get", store, "absent").errors == "kvcli: no entry has the key “absent”\n")
    #expect(try tool.run("exists", store, "absent").errors == "")
  }

  @Test func deleteRemovesOnce() throws {
    _ = try output("put", store, "k", "v")
    _ = try output("delete", store, "k")
    #expect(try tool.run("get", store, "k").status == 1)
    #expect(try tool.run("delete", store, "k").status == 1)
  }

  @Test func existsReportsAsJSON() throws {
    _ = try output("put", store, "k", "v")
    #expect(try tool.run("exists", store, "k", "--json").text == "{\"exists\":true}\n")
    let absent = try tool.run("exists", store, "absent", "--json")
    #expect(absent.text == "{\"exists\":false}\n")
    #expect(absent.status == 1)
  }

  // MARK: Any bytes

  /// Zero cannot be in an argument.
  static let argumentBytes = (UInt8(1)...255).map { $0 }

  @Test func argumentsAreTakenByteForByte() throws {
    let key = Array("k".utf8) + Self.argumentBytes
    let value = Array("v".utf8) + Self.argumentBytes.reversed()
    let put = try tool.run(bytes: [Array("put".utf8), Array(store.utf8), key, value])
    #expect(put.status == 0, "\(put.errors)")
    let get = try tool.run(bytes: [Array("get".utf8), Array(store.utf8), key])
    #expect(get.output == value)
    // The key itself, and no repaired form of it.
    let hexadecimal = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    #expect(try output("get", store, "--hex", "--raw", hexadecimal) == value)
  }

  @Test func charactersOfThePrivateRangeStayThemselves() throws {
    for value in ["\u{10FF00}", "\u{10FF41}", "\u{10FFFF}", "\u{10FEFF}", "e\u{301}", "\r\n"] {
      _ = try output("put", store, "k", value)
      #expect(try output("get", store, "k") == Array(value.utf8))
    }
  }

  @Test(arguments: ["--hex", "--base64"])
  func everyByteFitsThroughAnEncoding(option: String) throws {
    let all = (UInt8(0)...255).map { $0 }
    let text = option == "--hex" ? all.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() : Self.allInBase64
    _ = try output("put", store, option, text, text)
    #expect(try output("get", store, option, text) == Array("\(text)\n".utf8))
    #expect(try output("get", store, option, "--raw", text) == all)
    _ = try output("exists", store, option, text)
    _ = try output("delete", store, option, text)
    #expect(try tool.run("exists", store, option, text).status == 1)
  }

  /// The bytes 0 to 255 in Base64, made by another program.
  static let allInBase64 = """
    AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJT\
    VFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaan\
    qKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7\
    /P3+/w==
    """

  @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
  func base64IsThatOfRFC4648(text: String, encoded: String) throws {
    _ = try output("put", store, "k", text)
    #expect(try output("get", store, "--base64", "aw==") == Array("\(encoded)\n".utf8))
  }

  @Test(arguments: [
    ("--hex", "0"), ("--hex", "0g"), ("--hex", "0x00"), ("--hex", "00 ff"), ("--base64", "Zg"), ("--base64", "Zg="),
    ("--base64", "Zh=="), ("--base64", "Zm9=="), ("--base64", "Z==="), ("--base64", "Zm-v"), ("--base64", "===="),
  ])
  func otherTextIsNoEncoding(option: String, text: String) throws {
    for arguments in [["put", store, option, text, ""], ["get", store, option, text]] {
      let outcome = try tool.run(arguments)
      #expect(outcome.status == 64, "\(arguments)")
      #expect(outcome.errors.hasPrefix("kvcli: the key is not "), "\(outcome.errors)")
    }
    let value = try tool.run("put", store, option, "", text)
    #expect(value.status == 64)
    #expect(value.errors.hasPrefix("kvcli: the value is not "), "\(value.errors)")
  }

  // MARK: Files and streams

  @Test func aLargeValueFromStandardInputSurvives() throws {
    let store = try tool.makeStore("large", size: "256MiB")
    // 64 MiB and some, no two pages alike.
    var random = SeededGenerator(seed: 64)
    var value = random.bytes(1 << 20)
    for _ in 0..<6 { value += value }
    for page in 0..<value.count / 4096 {
      for byte in 0..<4 { value[page * 4096 + byte] = UInt8(truncatingIfNeeded: page >> (8 * byte)) }
    }
    value += random.bytes(12_345)
    #expect(try output("put", store, "big", "-", input: value) == [])
    let read = try output("get", store, "big")
    #expect(read.count == value.count)
    #expect(read == value)
    #expect(try output("get", store, "big", "-o", tool.path("copy")) == [])
    #expect(try Files.read(tool.path("copy")) == value)
  }

  @Test func aFileIsStoredAsItIs() throws {
    let value = (UInt8(0)...255).map { $0 }
    try Files.write(value, to: tool.path("value"))
    _ = try output("put", store, "k", "--file", tool.path("value"))
    #expect(try output("get", store, "k") == value)
    // An encoding is for what is typed, not for files.
    _ = try output("put", store, "--hex", "6b32", "--file", tool.path("value"))
    #expect(try output("get", store, "k2") == value)
    _ = try output("put", store, "k3", "--file", "-", input: value)
    #expect(try output("get", store, "k3") == value)
  }

  @Test func anEmptyStandardInputIsAnEmptyValue() throws {
    _ = try output("put", store, "k", "-")
    #expect(try output("get", store, "k") == [])
  }

  @Test func outputFilesAreReplacedOnlyByAValue() throws {
    let file = tool.path("out")
    try Files.write(Array("what was there before".utf8), to: file)
    #expect(try tool.run("get", store, "absent", "-o", file).status == 1)
    #expect(try Files.read(file) == Array("what was there before".utf8))
    _ = try output("put", store, "k", "v")
    #expect(try output("get", store, "k", "-o", file) == [])
    #expect(try Files.read(file) == Array("v".utf8))
    #expect(try output("get", store, "k", "-o", "-") == Array("v".utf8))
  }
}
