import ArgumentParser
import BarKV
import BenchSupport
import Foundation

/// What the calls cost, beside loops in C.
struct SpeedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "speed",
    abstract: "Measures the calls against loops in C that do the same with nothing else around it.",
    discussion: """
      All subjects run in one process, in turn, round by round; what counts are ratios within the run.
      """
  )

  @Option(help: "The number of entries: 1,000 to 1,000,000,000.")
  var records = 1_000_000

  @Option(help: "The bytes of a value: 8 to 4,000. A key has 16.")
  var valueBytes = 100

  @Option(help: "How many times everything is measured; medians count.")
  var rounds = 3

  @Option(help: "Above 1, what so many threads do together is measured too.")
  var threads = 1

  @Option(help: "A directory on tmpfs for the regions.")
  var directory = "/dev/shm"

  @Option(help: "A kvcli whose own benchmark is measured in each round.")
  var kvcli: String?

  @Option(help: "What is measured: some of \(Work.allCases.map(\.rawValue).joined(separator: ",")).")
  var works = Work.allCases.map(\.rawValue).joined(separator: ",")

  @Flag(
    help: "Take the processor time of the measuring thread, not the time that passes: where others use the machine.")
  var processorTime = false

  @Flag(help: "Print JSON to standard output.")
  var json = false

  mutating func validate() throws {
    guard (1_000...1_000_000_000).contains(records) else {
      throw ValidationError("--records is to be 1,000 to 1,000,000,000.")
    }
    guard (8...4_000).contains(valueBytes) else { throw ValidationError("--value-bytes is to be 8 to 4,000.") }
    guard (1...1_000).contains(rounds) else { throw ValidationError("--rounds is to be 1 to 1,000.") }
    guard works.split(separator: ",").allSatisfy({ Work(rawValue: String($0)) != nil }) else {
      throw ValidationError("--works is to be some of \(Work.allCases.map(\.rawValue)).")
    }
    guard (1...64).contains(threads) else { throw ValidationError("--threads is to be 1 to 64.") }
  }

  mutating func run() throws {
    forcePersistentMemory()
    let configuration = Configuration(
      records: records, valueBytes: valueBytes, rounds: rounds, threads: threads, directory: directory,
      works: works.split(separator: ",").compactMap { Work(rawValue: String($0)) }, takesProcessorTime: processorTime)
    var current = 0
    var runner = Runner(configuration, kvcli: kvcli.map(KvcliBench.init(path:))) { step in
      note("round \(current + 1) of \(configuration.rounds): \(step)")
    }
    for round in 0..<rounds {
      current = round
      try runner.measure(round: round)
    }
    let report = Report(
      runner.samples, configuration: configuration, processor: processor(), persistence: runner.persistence)
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print(report.text)
    }
  }
}
