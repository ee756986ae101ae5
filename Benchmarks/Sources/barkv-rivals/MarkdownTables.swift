/// The results as Markdown.
struct MarkdownTables {
  let results: Results

  /// All of it.
  var text: String {
    ([heading, demands, speeds(.durable), speeds(.fastest), memory, sizes, threads, latencies, space, settings]
      + [results.failures.isEmpty ? "" : failures])
      .filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  // MARK: Parts

  private var heading: String {
    let machine = results.machine
    let parameters = results.parameters
    let shortened = Set(
      results.rows.filter { $0.kind.part == .speed && Work.speeds.contains($0.kind.work) && isShortened($0) }
        .map(\.kind.store)
    )
    let names = results.stores.filter { shortened.contains($0.identifier) }.map(\.name)
    let completeness =
      names.isEmpty
      ? "every store did all of it."
      : "\(names.joined(separator: ", ")) did fewer operations of some works in it; the JSON has how many."
    let smallRecords = number(Double(parameters.smallRecords))
    let small = "\(smallRecords) records at most, \(counted(parameters.smallRounds, "round"))"
    return """
      \(machine.processor), \(machine.threads) threads, \(machine.memoryGibibytes) GiB; \(machine.system), Linux \
      \(machine.kernel); \(results.date). \(number(Double(parameters.records))) records, keys of 16 bytes, values of \
      \(parameters.valueBytes), files in /dev/shm, `PMEM_IS_PMEM_FORCE=1`; median of \(counted(parameters.rounds, "round"))\
      \(parameters.rounds < 5 ? " (**fewer than the 5 that the demands are for**)" : ""). By size of values and by \
      threads: \(small). Each work has \(number(parameters.seconds)) s; \(completeness)\
      \(parameters.remark.map { " **\($0)**" } ?? "")
      """
  }

  /// Whether a slow store did fewer operations than were planned: a work visits each record at most once.
  private func isShortened(_ row: Results.Row) -> Bool {
    let planned =
      switch row.kind.work {
      case .put: Double(results.parameters.records) * (row.kind.mode == .durable ? 0.6 : 0.3)
      case .delete: Double(results.parameters.records) / 10
      default: Double(min(results.parameters.records, Plan.maximumOperations))
      }
    return row.rounds.contains { Double($0.operations) < 0.99 * planned }
  }

  private var demands: String {
    let rows = Demand.all.map { demand in
      let outcome = demand.outcome(results)
      let verdict = outcome.found == nil ? "NOT MEASURED" : outcome.isMet ? "met" : "**NOT MET**"
      return [outcome.name, outcome.asked, outcome.found.map(number) ?? "–", verdict]
    }
    let records = results.parameters.records
    let remark =
      records == 10_000_000 ? "" : " They are for 10,000,000 records; this run has \(number(Double(records)))."
    return """
      #### What is asked
      How often BarKV does, durably, what the other does once: the median of the rounds' quotients.\(remark)

      \(table(["BarKV's speed", "asked", "found", ""], rows))
      """
  }

  private func speeds(_ mode: Mode) -> String {
    let works = Work.speeds
    var rows = results.stores.map { subject in
      [subject.name] + works.map { cell(subject.identifier, $0, mode) }
    }
    if mode == .durable {
      rows += results.limits.map { subject in [subject.name] + works.map { cell(subject.identifier, $0) } }
      for work in [Work.dependentRead, .pipelinedRead] {
        let value = results.value(LimitsSuite.memory, work).map { number(thousands(nanoseconds: $0)) } ?? "–"
        rows.append([work.title] + works.map { $0 == .get ? value : "–" })
      }
      let copy = results.value(LimitsSuite.memory, .copy).map { number(thousands(nanoseconds: $0)) } ?? "–"
      rows.append(["memcpy of as many bytes"] + works.map { $0 == .put ? copy : "–" })
    }
    let title =
      mode == .durable
      ? "#### Durable on return\nThousand calls a second, one thread; below the stores the physical limits, in the same unit."
      : """
      #### Fastest mode
      Thousand calls a second, one thread. **What returns here is lost when the power fails, and in part when the process \
      is killed**; reads are those of the other table. BarKV's deferred writes are not seen by reads before they are \
      persisted, so that the mixed works have no such mode.
      """
    return "\(title)\n\n\(table([""] + works.map(\.title), rows))"
  }

  private var memory: String {
    guard let dependent = results.value(LimitsSuite.memory, .dependentRead),
      let pipelined = results.value(LimitsSuite.memory, .pipelinedRead),
      let copy = results.value(LimitsSuite.memory, .copy), let raw = results.value(LimitsSuite.raw, .put)
    else { return "" }
    let record = Double(recordBytes)
    return """
      The memory, on as many bytes as the records have: a dependent random read takes \(time(nanoseconds: dependent)), a \
      pipelined one \(time(nanoseconds: pipelined)); memcpy moves \(number(record / copy)) GB/s, and the raw loop, with a \
      fence for each record of \(recordBytes) bytes, \(number(record / raw)) GB/s.
      """
  }

  private var sizes: String {
    let sizes = results.valueSizes
    guard !sizes.isEmpty else { return "" }
    let tables = [Work.put, .get, .overwrite].map { work in
      let rows = (results.stores + results.limits).compactMap { subject -> [String]? in
        let cells = sizes.map { size in
          results.value(subject.identifier, work, part: .sizes, valueBytes: size)
            .map { number(thousands(nanoseconds: $0)) } ?? "–"
        }
        return cells.allSatisfy { $0 == "–" } ? nil : [subject.name] + cells
      }
      return table([work == .get ? work.title : "durable \(work.title)"] + sizes.map(size), rows)
    }
    return "#### By size of values\nThousand calls a second, one thread.\n\n\(tables.joined(separator: "\n\n"))"
  }

  private var threads: String {
    let counts = results.threadCounts
    guard !counts.isEmpty else { return "" }
    let headings = ThreadsSuite.works.flatMap { work in counts.map { "\(work.title), \($0)" } }
    let rows = results.stores.map { subject in
      [subject.name]
        + ThreadsSuite.works.flatMap { work in
          counts.map { count in
            results.value(subject.identifier, work, part: .threads, threads: count)
              .map { number(thousands(nanoseconds: $0)) } ?? "–"
          }
        }
    }
    return """
      #### By threads
      Thousand calls a second of all threads together, durable; the number behind each work is that of the threads.

      \(table([""] + headings, rows))
      """
  }

  private var latencies: String {
    let tables = [Work.putLatency, .overwriteLatency, .getLatency].map { work in
      let rows = results.stores.compactMap { subject in
        results.percentiles(subject.identifier, work).map { values in
          [subject.name] + values.map { time(nanoseconds: $0) }
        }
      }
      let headings = Latencies.percentiles.map { $0 == 100 ? "slowest" : "\(plain($0)) %" }
      return table([work.title] + headings, rows)
    }
    return """
      #### Latencies
      Single calls, one thread, by HdrHistogram with three digits; the two readings of the clock are part of each.

      \(tables.joined(separator: "\n\n"))
      """
  }

  private var space: String {
    let works = [Work.reopenClosed, .reopenKilled, .dram, .medium]
    let rows = results.stores.map { subject in
      [subject.name] + works.map { results.value(subject.identifier, $0).map(number) ?? "–" }
    }
    return """
      #### Opening and space
      Opening is what passes until the first get has answered, in a new process: behind a clean close, and behind SIGKILL in \
      the middle of durable overwrites. DRAM is what the process's resident anonymous memory (RssAnon) has grown by from \
      before the store was opened to after the load and the gets, caches included; pages of mapped files are on the \
      medium, not in it. The medium is what is not free in BarKV's region, and the allocated blocks of the others' files.

      \(table([""] + works.map(\.title), rows))
      """
  }

  private var settings: String {
    let parts = results.stores.map { subject in
      let title = subject.version.isEmpty ? subject.name : "\(subject.name) \(subject.version)"
      return "**\(title)**\n" + subject.settings.map { "- \($0)" }.joined(separator: "\n")
    }
    return "#### Settings\n\n\(parts.joined(separator: "\n\n"))"
  }

  private var failures: String {
    "#### Not measured\n\n" + results.failures.map { "- \($0)" }.joined(separator: "\n")
  }

  // MARK: Helpers

  private var recordBytes: Int { (12 + 16 + results.parameters.valueBytes + 63) / 64 * 64 }

  private func cell(_ store: String, _ work: Work, _ mode: Mode = .durable) -> String {
    results.value(store, work, work.onlyReads ? .durable : mode).map { number(thousands(nanoseconds: $0)) } ?? "–"
  }

  private func counted(_ count: Int, _ name: String) -> String { "\(count) \(name)\(count == 1 ? "" : "s")" }

  private func plain(_ value: Double) -> String {
    value == value.rounded() ? "\(Int(value))" : "\(value)"
  }

  private func table(_ headings: [String], _ rows: [[String]]) -> String {
    ([headings, headings.indices.map { $0 == 0 ? "---" : "---:" }] + rows)
      .map { "| \($0.joined(separator: " | ")) |" }.joined(separator: "\n")
  }
}
