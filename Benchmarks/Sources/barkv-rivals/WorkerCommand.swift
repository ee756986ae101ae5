import ArgumentParser
import BenchSupport
import Foundation

/// The process that measures one store: whatever it leaves behind in memory, the next one starts afresh.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Measures one store once and prints the figures as JSON.", shouldDisplay: false)

  /// What is measured.
  enum Suite: String, ExpressibleByArgument, CaseIterable {
    case speed, kill, recover, sizes, threads, limits, rawSizes
  }

  @Option var store: String
  @Option var suite: Suite
  @Option var directory: String
  @Option var records: Int
  @Option var valueBytes: Int
  @Option var threads: Int
  @Option var seconds: Double

  mutating func run() throws {
    forcePersistentMemory()
    let setup = Setup(
      store: store, directory: directory, records: records, valueBytes: valueBytes, threads: threads,
      creates: suite != .kill && suite != .recover)
    let samples: [Sample]
    switch suite {
    case .limits: samples = try LimitsSuite.run(setup)
    case .rawSizes: samples = try LimitsSuite.runRaw(setup)
    default: samples = try store == Subject.barkv.identifier ? run(BarKVStore.self, setup) : run(RivalStore.self, setup)
    }
    FileHandle.standardOutput.write(try JSONEncoder().encode(samples))
  }

  private func run<Store: BenchStore>(_ type: Store.Type, _ setup: Setup) throws -> [Sample] {
    switch suite {
    case .kill: try ReopenSuite.writeUntilKilled(type, setup)
    case .recover: return try ReopenSuite.recover(type, setup)
    case .sizes: return try SizesSuite.run(type, setup, seconds: seconds)
    case .threads: return try ThreadsSuite.run(type, setup, seconds: seconds)
    default:
      var speed = try SpeedSuite<Store>(setup, seconds: seconds)
      try speed.run()
      return speed.samples
    }
  }
}
