import ArgumentParser
import Foundation

/// The command: measures and prints.
@main
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "barkv-bench",
    abstract: "Measures BarKV: what its calls cost, what opening costs after a crash, what years of use cost.",
    discussion: """
      The regions are on tmpfs and PMEM_IS_PMEM_FORCE=1 is set, so that the barrier is the processor's: flush and fence. \
      Docs/Benchmarks.md says what each line means.
      """,
    subcommands: [SpeedCommand.self, OpeningCommand.self, OverwritingCommand.self, FillCommand.self],
    defaultSubcommand: SpeedCommand.self
  )
}
