import BenchSupport
import Foundation

/// All that a run has found: what the tables and plots are made from.
struct Results: Codable, Sendable {
  /// Where it ran.
  struct Machine: Codable, Sendable {
    var processor: String
    var threads: Int
    var memoryGibibytes: Int
    var system: String
    var kernel: String
  }

  /// What was asked for.
  struct Parameters: Codable, Sendable {
    var records: Int
    var valueBytes: Int
    var rounds: Int
    var seconds: Double
    /// The records of the works by threads and by size of values, at most, and their rounds.
    var smallRecords: Int
    var smallRounds: Int
    /// What a reader is to know about this run.
    var remark: String?
  }

  /// One figure, in each round that has it.
  struct Row: Codable, Sendable {
    struct Round: Codable, Sendable {
      var round: Int
      var records: Int
      var operations: Int
      var value: Double
      var percentiles: [UInt64]?
    }
    var kind: Sample.Kind
    var rounds: [Round]
  }

  var date: String
  var machine: Machine
  var parameters: Parameters
  /// The stores, then the limits.
  var subjects: [Subject]
  var rows: [Row] = []
  /// What could not be measured, and why.
  var failures: [String] = []

  /// Adds what a round has found.
  mutating func add(_ samples: [Sample], round: Int) {
    for sample in samples {
      let entry = Row.Round(
        round: round, records: sample.records, operations: sample.operations, value: sample.value,
        percentiles: sample.percentiles)
      if let index = rows.firstIndex(where: { $0.kind == sample.kind }) {
        rows[index].rounds.append(entry)
      } else {
        rows.append(Row(kind: sample.kind, rounds: [entry]))
      }
    }
  }
}

extension Results {
  /// The rounds of a figure; none where it was not measured.
  func rounds(
    _ store: String, _ work: Work, _ mode: Mode = .durable, part: Sample.Part = .speed, valueBytes: Int? = nil,
    threads: Int = 1
  ) -> [Row.Round] {
    let kind = Sample.Kind(
      store: store, part: part, work: work, mode: mode, valueBytes: valueBytes ?? parameters.valueBytes,
      threads: threads)
    return rows.first { $0.kind == kind }?.rounds ?? []
  }

  /// The median of the rounds.
  func value(
    _ store: String, _ work: Work, _ mode: Mode = .durable, part: Sample.Part = .speed, valueBytes: Int? = nil,
    threads: Int = 1
  ) -> Double? {
    let values = rounds(store, work, mode, part: part, valueBytes: valueBytes, threads: threads).map(\.value)
    return values.isEmpty ? nil : median(values)
  }

  /// The median of the rounds at each of `Latencies.percentiles`.
  func percentiles(_ store: String, _ work: Work) -> [Double]? {
    let all = rounds(store, work).compactMap(\.percentiles)
    guard !all.isEmpty else { return nil }
    return Latencies.percentiles.indices.map { index in median(all.map { Double($0[index]) }) }
  }

  /// How often one store does what another does once: the median of the rounds' quotients, so that what slows one round
  /// slows both sides.
  func speedup(_ work: Work, of store: String, over other: String, _ mode: Mode, otherMode: Mode) -> Double? {
    let others = rounds(other, work, otherMode)
    let quotients = rounds(store, work, mode).compactMap { round in
      others.first { $0.round == round.round }.map { $0.value / round.value }
    }
    return quotients.isEmpty ? nil : median(quotients)
  }
}

// MARK: The file

extension Results {
  /// Reads a file that `text` was written to.
  init(file: String) throws {
    do {
      self = try JSONDecoder().decode(Results.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
    } catch {
      throw RivalsError.results("\(file) has no results that can be read: \(error)")
    }
  }

  /// JSON with a row a line, so that a difference between two runs can be read.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func line(_ value: some Encodable) throws -> String { String(decoding: try encoder.encode(value), as: UTF8.self) }
    let rowLines = try rows.map { try "  " + line($0) }.joined(separator: ",\n")
    let subjectLines = try subjects.map { try "  " + line($0) }.joined(separator: ",\n")
    return """
      {
      "date": \(try line(date)),
      "machine": \(try line(machine)),
      "parameters": \(try line(parameters)),
      "failures": \(try line(failures)),
      "subjects": [
      \(subjectLines)
      ],
      "rows": [
      \(rowLines)
      ]
      }

      """
  }
}

// MARK: What there is

extension Results {
  /// The subjects that are stores.
  var stores: [Subject] { subjects.filter { !Subject.limits.map(\.identifier).contains($0.identifier) } }

  /// The subjects that are loops in C.
  var limits: [Subject] { subjects.filter { Subject.limits.map(\.identifier).contains($0.identifier) } }

  /// The sizes of values that were measured.
  var valueSizes: [Int] { Set(rows.filter { $0.kind.part == .sizes }.map(\.kind.valueBytes)).sorted() }

  /// The numbers of threads that were measured.
  var threadCounts: [Int] { Set(rows.filter { $0.kind.part == .threads }.map(\.kind.threads)).sorted() }
}
