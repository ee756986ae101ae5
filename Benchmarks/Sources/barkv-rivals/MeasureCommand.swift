import ArgumentParser
import BenchSupport
import Foundation

/// Measures all stores, in rounds.
struct MeasureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure", abstract: "Measures the stores in interleaved rounds and writes the results as JSON.")

  @Option(help: "The number of records: 10,000 to 1,000,000,000.")
  var records = 1_000_000

  @Option(help: "The bytes of a value: 16 to 4,000. A key has 16.")
  var valueBytes = 100

  @Option(help: "How many times everything is measured; medians count.")
  var rounds = 3

  @Option(help: "The seconds for one work of one store; a slow store does fewer operations.")
  var seconds = 1.0

  @Option(help: "A sentence for the reader of the tables, such as what else ran on the machine.")
  var remark: String?

  @Option(help: "The stores, with commas between; all, if none are named.")
  var stores = ""

  @Option(help: "An empty directory on tmpfs that is this run's alone.")
  var directory: String

  @Option(help: "The file for the results.")
  var output: String

  @Option(help: "In how many rounds sizes of values and numbers of threads are measured as well.")
  var smallRounds = 1

  @Option(help: "The records of the works by sizes of values and by threads, at most.")
  var smallRecords = 200_000

  mutating func validate() throws {
    guard (10_000...1_000_000_000).contains(records) else {
      throw ValidationError("--records is to be 10,000 to 1,000,000,000.")
    }
    guard (ValueBuffer.minimumBytes...4000).contains(valueBytes) else {
      throw ValidationError("--value-bytes is to be \(ValueBuffer.minimumBytes) to 4,000.")
    }
    guard (1...1000).contains(rounds) else { throw ValidationError("--rounds is to be 1 to 1,000.") }
    guard smallRounds >= 0 else { throw ValidationError("--small-rounds is to be 0 or more.") }
    guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds is to be more than 0.") }
  }

  mutating func run() throws {
    let named = stores.split(separator: ",").map(String.init)
    let chosen = Subject.stores.filter { named.isEmpty || named.contains($0.identifier) }
    guard !chosen.isEmpty, chosen.count == named.count || named.isEmpty else {
      throw ValidationError("--stores knows \(Subject.stores.map(\.identifier).joined(separator: ", ")).")
    }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "yyyy-MM-dd"
    var results = Results(
      date: format.string(from: Date()), machine: .current(),
      parameters: Results.Parameters(
        records: records, valueBytes: valueBytes, rounds: rounds, seconds: seconds,
        smallRecords: min(records, smallRecords), smallRounds: min(rounds, smallRounds),
        remark: remark),
      subjects: chosen + Subject.limits)
    let worker = Worker(directory: directory, seconds: seconds)
    for round in 0..<rounds {
      // Who comes first alternates.
      for subject in round.isMultiple(of: 2) ? chosen : chosen.reversed() {
        measure(subject, worker, round: round, &results)
      }
      attempt("round \(round + 1) of \(rounds): loops in C", round, &results) {
        try worker.run(.limits, store: LimitsSuite.ceiling, records: records, valueBytes: valueBytes)
      }
      if round < smallRounds { measureRawSizes(worker, round: round, &results) }
      // After each round: what is there is not lost where a later round is stopped.
      try results.json().write(toFile: output, atomically: true, encoding: .utf8)
    }
    guard results.failures.isEmpty else {
      for failure in results.failures { note("NOT MEASURED: \(failure)") }
      throw ExitCode(1)
    }
  }

  /// Measures one store once.
  private func measure(_ subject: Subject, _ worker: Worker, round: Int, _ results: inout Results) {
    let store = subject.identifier
    let title = "round \(round + 1) of \(rounds): \(subject.name)"
    // One directory for three processes: the second and the third open what the first has left.
    attempt(title, round, &results) {
      try worker.cleaning {
        var samples = try worker.run(.speed, store: store, records: records, valueBytes: valueBytes)
        samples += try worker.run(.kill, store: store, records: records, valueBytes: valueBytes, kill: true)
        samples += try worker.run(.recover, store: store, records: records, valueBytes: valueBytes)
        return samples
      }
    }
    guard round < smallRounds else { return }
    for size in SizesSuite.sizes {
      let count = SizesSuite.records(size, atMost: min(records, smallRecords))
      attempt("\(title), values of \(size) bytes", round, &results) {
        try worker.cleaning { try worker.run(.sizes, store: store, records: count, valueBytes: size) }
      }
    }
    for threads in ThreadsSuite.counts(results.machine.threads) {
      attempt("\(title), \(threads) thread\(threads == 1 ? "" : "s")", round, &results) {
        try worker.cleaning {
          try worker.run(
            .threads, store: store, records: min(records, smallRecords), valueBytes: valueBytes, threads: threads)
        }
      }
    }
  }

  /// The raw loop by sizes of values, as far as its records fit the first-level cache that they come from.
  private func measureRawSizes(_ worker: Worker, round: Int, _ results: inout Results) {
    for size in SizesSuite.sizes where size <= LimitsSuite.largestRawValue {
      let count = SizesSuite.records(size, atMost: min(records, smallRecords))
      attempt("round \(round + 1) of \(rounds): raw loop, values of \(size) bytes", round, &results) {
        try worker.run(.rawSizes, store: LimitsSuite.raw, records: count, valueBytes: size)
      }
    }
  }

  /// Keeps what was measured, or why it was not: one store's failure is no reason to lose the others' figures.
  private func attempt(
    _ title: String, _ round: Int, _ results: inout Results, _ body: () throws -> [Sample]
  ) {
    note(title)
    do {
      results.add(try body(), round: round)
    } catch {
      note("\(title): \(error)")
      results.failures.append("\(title): \(error)")
    }
  }
}
