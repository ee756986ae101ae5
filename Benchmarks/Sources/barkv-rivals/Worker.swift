import Foundation

/// Starts the processes that measure.
struct Worker: Sendable {
  /// A directory on tmpfs for the stores.
  let directory: String
  let seconds: Double

  /// Runs one suite of one store in a process of its own; what it has found.
  func run(
    _ suite: WorkerCommand.Suite, store: String, records: Int, valueBytes: Int, threads: Int = 1, kill: Bool = false
  ) throws -> [Sample] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      "worker", "--store", store, "--suite", suite.rawValue, "--directory", directory, "--records", "\(records)",
      "--value-bytes", "\(valueBytes)", "--threads", "\(threads)", "--seconds", "\(seconds)",
    ]
    // A crash is told in a line; a pipe has no room for more.
    process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let data: Data
    if kill {
      // It tells what it has found, and writes on.
      data = output.fileHandleForReading.availableData
      if !data.isEmpty { usleep(300_000) }
      if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    } else {
      data = output.fileHandleForReading.readDataToEndOfFile()
    }
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let ended =
      kill
      ? process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGKILL
      : process.terminationReason == .exit && process.terminationStatus == 0
    guard ended, !data.isEmpty else {
      let reason = complaint.split(separator: "\n").first ?? "ended with status \(process.terminationStatus)"
      throw RivalsError.worker("\(store), \(suite.rawValue): \(reason)")
    }
    return try JSONDecoder().decode([Sample].self, from: data)
  }

  /// Runs `body`, then empties the directory.
  func cleaning<Answer>(_ body: () throws -> Answer) throws -> Answer {
    defer {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
        try? FileManager.default.removeItem(atPath: "\(directory)/\(name)")
      }
    }
    return try body()
  }
}
