/// A comparison of two figures, and what is asked of it.
struct Comparison: Sendable {
  /// What is asked of the quotient.
  enum Goal: Sendable {
    /// The time may be at most so many times the other's.
    case timeAtMost(Double)
    /// The speed is to be at least this share of the other's.
    case speedAtLeast(Double)
    /// Nothing; the time's quotient informs.
    case time
    /// Nothing; the speed's quotient informs.
    case speed
  }

  /// What is compared, in words.
  let name: String
  /// The figure that is judged.
  let subject: Samples.Key
  /// The figure that it is judged by.
  let base: Samples.Key
  /// What is asked.
  let goal: Goal

  /// The quotient, or `nil` where one side was not measured.
  func ratio(_ samples: Samples) -> Report.Ratio? {
    switch goal {
    case .timeAtMost(let most):
      samples.ratio(subject, to: base).map {
        Report.Ratio(name: name, value: $0, goal: "at most \(most)", met: $0 <= most)
      }
    case .speedAtLeast(let least):
      samples.ratio(base, to: subject).map {
        Report.Ratio(name: name, value: $0, goal: "at least \(least)", met: $0 >= least)
      }
    case .time:
      samples.ratio(subject, to: base).map { Report.Ratio(name: name, value: $0, goal: nil, met: nil) }
    case .speed:
      samples.ratio(base, to: subject).map { Report.Ratio(name: name, value: $0, goal: nil, met: nil) }
    }
  }

  /// All that a run judges.
  static func all(threads: Int) -> [Comparison] {
    times + shares + (threads > 1 ? scaling(threads: threads) : [])
  }

  /// Time by time: the demands on the first complete store.
  private static var times: [Comparison] {
    [Subject.barkv, .kvcli].flatMap { subject in
      let name = subject == .kvcli ? "kvcli bench" : "BarKV"
      return [
        Comparison(
          name: "\(name) durable put, time to the raw loop's", subject: key(subject, .put), base: key(.raw, .put),
          goal: .timeAtMost(2)),
        Comparison(
          name: "\(name) random get, time to the C loop's", subject: key(subject, .get), base: key(.ceiling, .get),
          goal: .timeAtMost(1.5)),
        Comparison(
          name: "\(name) durable put, time to the raw loop's on untouched pages", subject: key(subject, .put),
          base: key(.rawAllocated, .put), goal: .time),
      ]
    }
  }

  /// Speed by speed: shares of the ceiling, which are for 10 M records.
  private static var shares: [Comparison] {
    let goals: [(Work, String, Double)] = [
      (.put, "durable put", 0.8), (.get, "get", 0.9), (.getMany, "\(Configuration.getGroup) gets in one call", 0.8),
      (.miss, "get of an absent key", 0.9),
      (.overwrite, "overwrite", 0.8), (.delete, "delete", 0.8),
      (.batch, "batch of \(Configuration.group)", 0.7), (.deferred, "\(Configuration.group) deferred puts", 0.7),
    ]
    return goals.map { work, name, share in
      Comparison(
        name: "BarKV \(name), share of the ceiling", subject: key(.barkv, work), base: key(.ceiling, work),
        goal: .speedAtLeast(share))
    } + [
      Comparison(
        name: "BarKV \(Configuration.getGroup) gets in one call, speed to single gets", subject: key(.barkv, .getMany),
        base: key(.barkv, .get), goal: .speedAtLeast(3))
    ]
  }

  /// Speed of several threads by that of one.
  private static func scaling(threads: Int) -> [Comparison] {
    let measured: [(Subject, Work, String)] = [
      (.barkv, .put, "BarKV durable put"), (.barkv, .get, "BarKV get"), (.barkv, .overwrite, "BarKV overwrite"),
      (.barkv, .delete, "BarKV delete"), (.raw, .put, "raw put"), (.ceiling, .get, "C get"),
    ]
    return measured.map { subject, work, name in
      Comparison(
        name: "\(name), speed of \(threads) threads to one's",
        subject: Samples.Key(subject: subject, work: work, scaling: threads),
        base: Samples.Key(subject: subject, work: work, scaling: 1),
        goal: threads == 2 && subject == .barkv ? .speedAtLeast(1.8) : .speed)
    }
  }

  private static func key(_ subject: Subject, _ work: Work) -> Samples.Key {
    Samples.Key(subject: subject, work: work, scaling: nil)
  }
}
