import Foundation

/// The command-line tool's own benchmark, run beside the others.
struct KvcliBench: Sendable {
  /// Where the tool is.
  let path: String

  /// What of its report is used; `Docs/CommandLine.md` has the whole.
  private struct Output: Decodable {
    struct Workload: Decodable {
      let name: String
      let nanosecondsPerOperation: Double
    }
    let domain: String
    let reason: String
    let workloads: [Workload]
  }

  /// Runs it once; the nanoseconds per call of what it measures.
  func measure(_ configuration: Configuration) throws -> [(work: Work, nanoseconds: Double)] {
    let works: [Work] = [.put, .get, .miss, .overwrite, .delete]
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = [
      "bench", "\(configuration.directory)/barkv-bench.kvcli.\(ProcessInfo.processInfo.processIdentifier)",
      "--create", "--json", "--records", "\(configuration.records)", "--key-size", "\(Configuration.keyBytes)",
      "--value-size", "\(configuration.valueBytes)", "--workloads", works.map(\.rawValue).joined(separator: ","),
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      throw BenchError.kvcli("ended with status \(process.terminationStatus)")
    }
    let output = try JSONDecoder().decode(Output.self, from: data)
    guard output.domain == "cacheFlush" else { throw BenchError.wrongDomain(output.reason) }
    return try works.map { work in
      guard let workload = output.workloads.first(where: { $0.name == work.rawValue }) else {
        throw BenchError.kvcli("did not measure \(work.rawValue)")
      }
      return (work, workload.nanosecondsPerOperation)
    }
  }
}
