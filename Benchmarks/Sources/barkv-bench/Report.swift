/// What a run found, in the form that `--json` prints.
struct Report: Codable, Sendable {
  /// The figures of one subject at one work.
  struct Figure: Codable, Sendable {
    let subject: Subject
    let work: Work
    /// The number of threads, where that is what is compared.
    let threads: Int?
    /// The median of the rounds.
    let nanoseconds: Double
    /// Each round.
    let rounds: [Double]
  }

  /// A quotient that something is asked of.
  struct Ratio: Codable, Sendable {
    /// What is divided by what.
    let name: String
    /// The median of the rounds' quotients.
    let value: Double
    /// What is asked of it, in words; `nil` for a quotient that only informs.
    let goal: String?
    /// Whether it is as asked.
    let met: Bool?
  }

  let configuration: Configuration
  /// The processor's name.
  let processor: String
  /// The store's domain and level, and why.
  let persistence: String
  let figures: [Figure]
  let ratios: [Ratio]
}

extension Report {
  /// Sums a run up.
  init(_ samples: Samples, configuration: Configuration, processor: String, persistence: String) {
    self.configuration = configuration
    self.processor = processor
    self.persistence = persistence
    figures = samples.rounds
      .sorted { Self.position($0.key) < Self.position($1.key) }
      .compactMap { key, rounds in
        samples.median(key.subject, key.work, scaling: key.scaling).map {
          Figure(subject: key.subject, work: key.work, threads: key.scaling, nanoseconds: $0, rounds: rounds)
        }
      }
    ratios = Comparison.all(threads: configuration.threads).compactMap { $0.ratio(samples) }
  }

  /// Where a figure stands in the list: by threads, then work, then subject, as they are declared.
  private static func position(_ key: Samples.Key) -> (Int, Int, Int) {
    (
      key.scaling ?? 0, Work.allCases.firstIndex(of: key.work) ?? 0,
      Subject.allCases.firstIndex(of: key.subject) ?? 0
    )
  }
}
