extension Report {
  /// The report as a person reads it.
  var text: String {
    let entries = "\(configuration.records) records, keys of \(Configuration.keyBytes) bytes"
    let values = "values of \(configuration.valueBytes), \(configuration.rounds) rounds"
    var lines = [
      "\(entries), \(values), in \(configuration.directory)",
      "\(processor); \(persistence)",
      "",
      "Nanoseconds a call, median of the rounds:",
      "",
      row("", Subject.allCases.map(\.title)),
    ]
    for work in Work.allCases {
      lines.append(row(work.title, Subject.allCases.map { cell($0, work, threads: nil) }))
    }
    if configuration.threads > 1 {
      lines += ["", "Nanoseconds a call, all threads together:", "", row("", Subject.allCases.map(\.title))]
      for threads in [1, configuration.threads] {
        for work in Work.allCases where figures.contains(where: { $0.threads == threads && $0.work == work }) {
          let title = "\(work.title), \(threads) thread\(threads > 1 ? "s" : "")"
          lines.append(row(title, Subject.allCases.map { cell($0, work, threads: threads) }))
        }
      }
    }
    lines += ["", "Ratios, median of the rounds:", ""]
    lines += ratios.map { ratio in
      let verdict = ratio.met.map { $0 ? "met" : "NOT MET" } ?? ""
      let goal = ratio.goal ?? ""
      return "\(padded(ratio.name, 66))\(padded(fixed(ratio.value, 2), 6, left: true))  \(padded(goal, 15))\(verdict)"
    }
    return lines.map(trimmed).joined(separator: "\n")
  }

  private func cell(_ subject: Subject, _ work: Work, threads: Int?) -> String {
    figures.first { $0.subject == subject && $0.work == work && $0.threads == threads }
      .map { fixed($0.nanoseconds, 1) } ?? "-"
  }

  private func row(_ title: String, _ cells: [String]) -> String {
    padded(title, 28) + cells.map { padded($0, 16, left: true) }.joined()
  }
}

extension Subject {
  /// The heading of the subject's column.
  fileprivate var title: String {
    switch self {
    case .raw: "raw"
    case .rawAllocated: "raw, untouched"
    case .ceiling: "ceiling"
    case .barkv: "BarKV"
    case .kvcli: "kvcli bench"
    }
  }
}

extension Work {
  /// The title of the work's row.
  fileprivate var title: String {
    switch self {
    case .put: "durable put"
    case .get: "get"
    case .getMany: "get, \(Configuration.getGroup) in a call"
    case .miss: "get, absent"
    case .overwrite: "overwrite"
    case .delete: "delete"
    case .batch: "batch of \(Configuration.group)"
    case .deferred: "deferred, \(Configuration.group) a barrier"
    }
  }
}

/// `text`, filled up with spaces to `width` characters.
private func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
  let spaces = String(repeating: " ", count: max(0, width - text.count))
  return left ? spaces + text : text + spaces
}

/// A number with `digits` digits behind the point.
private func fixed(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  var scale = 1
  for _ in 0..<digits { scale *= 10 }
  let scaled = Int((abs(value) * Double(scale)).rounded())
  let fraction = String(scaled % scale)
  let zeros = String(repeating: "0", count: digits - fraction.count)
  return "\(value < 0 ? "-" : "")\(scaled / scale).\(zeros)\(fraction)"
}

/// `line` without spaces at its end.
private func trimmed(_ line: String) -> String {
  String(line.reversed().drop { $0 == " " }.reversed())
}
