import ArgumentParser

/// The command: measures BarKV beside other stores, and makes tables and plots of it.
@main
struct RivalsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "barkv-rivals",
    abstract: "Measures BarKV beside other stores on the same work, and makes tables and plots of it.",
    discussion: "Docs/Benchmarks.md says what is measured, and how.",
    subcommands: [MeasureCommand.self, ReportCommand.self, WorkerCommand.self]
  )
}
