@testable import CrashRig

/// A report in words, and as JSON.
enum ReportText {
  static func plain(_ report: Rig.Report) -> String {
    var lines: [String] = []
    for model in PersistenceModel.allCases {
      guard let count = report.counts[model] else { continue }
      let name = model.rawValue + String(repeating: " ", count: max(0, 8 - model.rawValue.count))
      lines.append(
        "\(name) \(count.states) states at \(count.points) points, \(count.alike) more alike, \(count.nested) later cuts"
          + "  (\(model.summary))")
    }
    let rate = Int(Double(report.states) / max(report.seconds, 0.001))
    lines.append(
      "\(report.states) different states and \(report.nested) later cuts in \(report.runs) runs"
        + " (\(report.concurrentRuns) with threads), \(rounded(report.seconds)) s, \(rate) states/s, seed \(report.seed)"
    )
    for failure in report.failures {
      lines.append("FAILED: run \(failure.run), model \(failure.model.rawValue): \(failure.description)")
      lines.append("  smallest workload: \(failure.workload)")
      lines.append("  the state:    crashrig --replay \(failure.image)")
      lines.append("  the whole run: \(command(failure))")
    }
    lines.append(report.failures.isEmpty ? "0 failures" : "\(report.failures.count) failures")
    return lines.joined(separator: "\n")
  }

  private static func command(_ failure: Rig.Failure) -> String {
    "crashrig --seed \(failure.seed) --run \(failure.run) --runs 1 --model \(failure.model.rawValue)"
  }

  private static func rounded(_ seconds: Double) -> Double { (seconds * 10).rounded() / 10 }

  static func json(_ report: Rig.Report) -> String {
    let models = PersistenceModel.allCases.compactMap { model in
      report.counts[model].map { count in
        "\"\(model.rawValue)\":{\"states\":\(count.states),\"points\":\(count.points),\"alike\":\(count.alike),"
          + "\"nested\":\(count.nested),\"repeated\":\(count.repeated)}"
      }
    }
    let failures = report.failures.map { failure in
      "{\"run\":\(failure.run),\"model\":\"\(failure.model.rawValue)\",\"description\":\(quoted(failure.description)),"
        + "\"workload\":\(quoted(failure.workload)),\"image\":\(quoted(failure.image)),"
        + "\"command\":\(quoted(command(failure)))}"
    }
    return "{\"seed\":\(report.seed),\"seconds\":\(report.seconds),\"runs\":\(report.runs),"
      + "\"concurrentRuns\":\(report.concurrentRuns),\"states\":\(report.states),\"nested\":\(report.nested),"
      + "\"statesPerSecond\":\(Int(Double(report.states) / max(report.seconds, 0.001))),"
      + "\"models\":{\(models.joined(separator: ","))},\"failures\":[\(failures.joined(separator: ","))]}"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case let control where control.value < 32: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
