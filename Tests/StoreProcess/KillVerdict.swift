#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What a process left that was killed elsewhere, on a machine that went down with it: judged by what it said, and by
/// dumps of the store from before and after.
struct KillVerdict {
  private let judge: KillJudge
  private let found: KillJudge.Contents

  /// - Parameters:
  ///   - before: a file with the store's entries at the process's start, as `kvcli dump --hex` writes them.
  ///   - messages: a file with the process's standard output.
  ///   - after: a file with the entries that are there now.
  init(seed: UInt64, before: String, messages: String, after: String) throws {
    judge = KillJudge(
      workload: KillWorkload(seed: seed), before: try Self.contents(before),
      messages: KillMessage.all(in: try Self.bytes(messages)))
    found = try Self.contents(after)
  }

  /// Prints the counts, and a line for each thing that is wrong.
  func run() {
    let findings = judge.findings(in: found)
    let lost = findings.reduce(0) { $0 + $1.lostKeys }
    Main.say("acknowledged \(judge.acknowledgedSteps) checked \(judge.acknowledgedKeys.count) lost \(lost)")
    for finding in findings { Main.say("wrong: \(finding)") }
  }

  private static func contents(_ path: String) throws -> KillJudge.Contents {
    var contents: KillJudge.Contents = [:]
    for line in try bytes(path).split(separator: UInt8(ascii: "\n")) {
      let columns = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
      guard columns.count == 2, let key = hexadecimal(columns[0]), let value = hexadecimal(columns[1]),
        contents.updateValue(value, forKey: key) == nil
      else { throw Main.Failure(description: "\(path) is no dump") }
    }
    return contents
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> [UInt8]? {
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: digits.startIndex, to: digits.endIndex, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private static func bytes(_ path: String) throws -> [UInt8] {
    guard let file = unsafe fopen(path, "rb") else { throw Main.Failure(description: "\(path) cannot be read") }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe fread(&buffer, 1, buffer.count, file)
      guard count > 0 else { return bytes }
      bytes += buffer[..<count]
    }
  }
}
