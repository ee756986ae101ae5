import Foundation
import Testing

/// The built `barkv-ingest`.
enum IngestTool {
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String

    /// A whole number of the report of `--json`.
    func number(_ name: String) throws -> Int {
      let report = try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
      return try #require(report?[name] as? Int, "\(name) in \(output)\(errors)")
    }
  }

  /// Runs it with `arguments`, and `input` as its standard input.
  static func run(_ arguments: [String], input: String = "") throws -> Outcome {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("barkv-ingest-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // Files, which never make the process wait for their reader.
    let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
    for file in files { try Data(file == files[0] ? Array(input.utf8) : []).write(to: file) }
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    try process.run()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationReason == .exit ? process.terminationStatus : -1,
      output: try String(contentsOf: files[1], encoding: .utf8),
      errors: try String(contentsOf: files[2], encoding: .utf8))
  }

  /// Beside the program that runs the tests, or beside the bundle that it was given.
  private static let executable: URL = {
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    for candidate in [program] + CommandLine.arguments where candidate.contains("/") {
      let url = URL(fileURLWithPath: candidate).deletingLastPathComponent().appendingPathComponent("barkv-ingest")
      if FileManager.default.isExecutableFile(atPath: url.path) { return url }
    }
    fatalError("barkv-ingest is not beside \(program)")
  }()
}
