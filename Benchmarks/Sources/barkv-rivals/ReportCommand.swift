import ArgumentParser
import BenchSupport
import Foundation

/// Makes the tables and plots from a file of results, without measuring.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Makes tables and plots from results: prints them, or writes them into a document."
  )

  @Argument(help: "The file of results.")
  var results: String

  @Option(help: "A Markdown document: what is between its markers is replaced.")
  var document: String?

  @Option(help: "A directory for the plots; its name in the document is relative to the document's.")
  var plots: String?

  /// Between these the document is written by this command alone.
  private static let begin = "<!-- rivals:begin -->", end = "<!-- rivals:end -->"

  mutating func run() throws {
    let results = try Results(file: results)
    var parts = [MarkdownTables(results: results).text]
    if let plots {
      let drawn = try Plots(results: results).draw(in: plots)
      let folder = URL(fileURLWithPath: plots).lastPathComponent
      let images = Plots.all.filter { drawn.contains($0.file) }.map { "![\($0.title)](\(folder)/\($0.file))" }
      parts.append("#### Plots\n\n" + images.joined(separator: "\n\n"))
    }
    let text = parts.joined(separator: "\n\n")
    guard let document else {
      print(text)
      return
    }
    let old = try String(contentsOfFile: document, encoding: .utf8)
    guard let first = old.range(of: Self.begin), let last = old.range(of: Self.end),
      first.upperBound <= last.lowerBound
    else { throw RivalsError.results("\(document) has no lines \(Self.begin) and \(Self.end)") }
    let new = old[..<first.upperBound] + "\n" + text + "\n" + old[last.lowerBound...]
    try String(new).write(toFile: document, atomically: true, encoding: .utf8)
  }
}
