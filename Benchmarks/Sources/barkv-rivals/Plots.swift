import Foundation

/// The results as plots: SVG, drawn by gnuplot; the same results give the same bytes.
struct Plots {
  let results: Results

  /// The names of the files and what each shows, in the order of the document.
  static let all = [
    (file: "durable.svg", title: "Durable on return: speed by work"),
    (file: "fastest.svg", title: "Each store's fastest mode: speed by work"),
    (file: "sizes.svg", title: "Speed by size of values, durable"),
    (file: "threads.svg", title: "Speed by threads, durable"),
    (file: "latencies.svg", title: "Latencies"),
  ]

  /// Draws all plots that there are figures for; their names.
  func draw(in directory: String) throws -> [String] {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let scripts: [(String, String?)] = [
      ("durable.svg", speeds(.durable)), ("fastest.svg", speeds(.fastest)), ("sizes.svg", sizes),
      ("threads.svg", threads), ("latencies.svg", latencies),
    ]
    var drawn: [String] = []
    for case (let file, .some(let script)) in scripts {
      try run(script, into: "\(directory)/\(file)")
      drawn.append(file)
    }
    return drawn
  }

  // MARK: Scripts

  private func speeds(_ mode: Mode) -> String? {
    let works = Work.speeds.filter { $0 != .ycsbE && (mode == .durable || !$0.onlyReads) }
    let subjects = results.stores
    let lines = works.map { work in
      "\"\(work.title.replacing(", ", with: ",\\n"))\" "
        + subjects.map { subject in
          // Where there is no such mode the durable one stands, which cannot be faster.
          let value = results.value(subject.identifier, work, mode) ?? results.value(subject.identifier, work)
          return point(value.map(thousands))
        }.joined(separator: " ")
    }
    let title =
      mode == .durable
      ? "Durable on return, one thread" : "Each store's fastest mode, one thread (BarKV durable where it has no other)"
    let series = subjects.indices.map { index in
      "$data using \(index + 2)\(index == 0 ? ":xtic(1)" : "") title \"\(subjects[index].name)\" lc rgb \"\(color(index))\""
    }
    return """
      \(terminal(width: 1100, height: 480))
      set title "\(title)"
      set style data histograms
      set style histogram clustered gap 1.5
      set style fill solid noborder
      set boxwidth 0.95
      set logscale y
      set yrange [1:*]
      set xtics nomirror scale 0
      set ylabel "thousand calls a second"
      $data << EOD
      \(lines.joined(separator: "\n"))
      EOD
      plot \(series.joined(separator: ", \\\n  "))
      """
  }

  private var sizes: String? {
    let sizes = results.valueSizes
    guard !sizes.isEmpty else { return nil }
    let panels = [Work.put, .get].map { work in
      Panel(
        title: work == .put ? "durable put" : work.title,
        series: series { subject in
          sizes.compactMap { size in
            results.value(subject.identifier, work, part: .sizes, valueBytes: size)
              .map { (Double(size), thousands(nanoseconds: $0)) }
          }
        })
    }
    return """
      \(terminal(width: 1100, height: 460))
      set logscale xy
      set xtics (\(sizes.map { "\"\(size($0))\" \($0)" }.joined(separator: ", ")))
      set xlabel "bytes of a value"
      set ylabel "thousand calls a second"
      \(multiplot(panels))
      """
  }

  private var threads: String? {
    let counts = results.threadCounts
    guard !counts.isEmpty else { return nil }
    let panels = [Work.put, .get].map { work in
      Panel(
        title: (work == .put ? "durable put" : work.title) + ", all threads together",
        series: series { subject in
          counts.compactMap { count in
            results.value(subject.identifier, work, part: .threads, threads: count)
              .map { (Double(count), thousands(nanoseconds: $0)) }
          }
        })
    }
    return """
      \(terminal(width: 1100, height: 460))
      set logscale y
      set xtics (\(counts.map { "\"\($0)\" \($0)" }.joined(separator: ", ")))
      set xrange [0.8:\(Double(counts.last ?? 1) + 0.2)]
      set xlabel "threads"
      set ylabel "thousand calls a second"
      \(multiplot(panels))
      """
  }

  private var latencies: String? {
    // The slowest of all has no place on an axis of shares.
    let percentiles = Latencies.percentiles.dropLast()
    let panels = [Work.putLatency, .getLatency].map { work in
      Panel(
        title: work.title,
        series: series { subject in
          guard let values = results.percentiles(subject.identifier, work) else { return [] }
          return zip(percentiles, values).map { (1 / (1 - $0 / 100), max($1, 1) / 1000) }
        })
    }
    guard panels.contains(where: { panel in panel.series.contains { !$0.points.isEmpty } }) else { return nil }
    return """
      \(terminal(width: 1100, height: 460))
      set logscale xy
      set xrange [2:10000]
      set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)
      set xlabel "share of the calls"
      set ylabel "took at most, microseconds"
      \(multiplot(panels))
      """
  }

  // MARK: Parts of scripts

  /// A line of a plot.
  private struct Series {
    var name: String
    var color: String
    var points: [(Double, Double)]
  }

  /// One of the plots in a picture.
  private struct Panel {
    var title: String
    var series: [Series]
  }

  private func series(_ points: (Subject) -> [(Double, Double)]) -> [Series] {
    results.stores.enumerated().map { index, subject in
      Series(name: subject.name, color: color(index), points: points(subject))
    }
  }

  private func multiplot(_ panels: [Panel]) -> String {
    var lines = ["set multiplot layout 1,\(panels.count)"]
    for (number, panel) in panels.enumerated() {
      let series = panel.series.filter { !$0.points.isEmpty }
      for (index, line) in series.enumerated() {
        lines.append("$data\(number)x\(index) << EOD")
        lines += line.points.map { "\(point($0.0)) \(point($0.1))" }
        lines.append("EOD")
      }
      lines.append("set title \"\(panel.title)\"")
      let plots = series.enumerated().map { index, line in
        "$data\(number)x\(index) using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc rgb \"\(line.color)\" title \"\(line.name)\""
      }
      lines.append("plot " + plots.joined(separator: ", \\\n  "))
    }
    lines.append("unset multiplot")
    return lines.joined(separator: "\n")
  }

  /// A white ground, so that it can be read on a dark page as well.
  private func terminal(width: Int, height: Int) -> String {
    """
    set terminal svg size \(width),\(height) dynamic enhanced font "sans-serif,13" background "#ffffff"
    set datafile missing "?"
    set grid ytics lc rgb "#d8d8d8" lw 1
    set border 3
    set key outside below horizontal
    set xtics nomirror
    set ytics nomirror
    """
  }

  /// Colours that can be told apart with every kind of eyes (Okabe and Ito).
  private func color(_ index: Int) -> String {
    let colors = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999", "#8c510a"]
    return colors[index % colors.count]
  }

  private func point(_ value: Double?) -> String {
    value.map { String(format: "%.5g", $0) } ?? "?"
  }

  // MARK: Drawing

  private func run(_ script: String, into file: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gnuplot", "-"]
    let input = Pipe()
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data(script.utf8))
    try input.fileHandleForWriting.close()
    let drawn = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0, !drawn.isEmpty else { throw RivalsError.results("gnuplot drew no \(file)") }
    try drawn.write(to: URL(fileURLWithPath: file))
  }
}
