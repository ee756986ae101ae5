import ArgumentParser
import CTestSupport

@testable import BarKV
@testable import CrashRig

/// Judges what power cuts leave, until enough is judged.
@main
struct CrashRigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crashrig",
    abstract:
      "Runs workloads on recorded media, cuts the power everywhere, and judges every state that a cut may leave.",
    discussion: "Without a limit it stops after 100,000 states. Exit code 1 says that a state was not right.")

  @Option(help: "Stop after so many seconds.") var seconds: Double?
  @Option(help: "Stop after so many different states.") var states: Int?
  @Option(help: "Stop after so many runs.") var runs: Int?
  @Option(help: "The seed of everything that is drawn at random; else BARKV_SEED, else a new one.") var seed: UInt64?
  @Option(name: .customLong("run"), help: "The first run's number: with --runs 1, the run that failed.")
  var firstRun = 0
  @Option(help: "A model (\(PersistenceModel.allCases.map(\.rawValue).joined(separator: ", "))); may be repeated.")
  var model: [String] = []
  @Option(help: "Judge at most so many states a point, for more workloads in the same time.") var perPoint: Int?
  @Option(help: "Look at one in so many states from all sides.") var deepShare: UInt64 = 16
  @Option(help: "The number of threads.") var workers: Int?
  @Option(help: "Where the images of states go that are not right.") var directory = "."
  @Option(help: "Judge the state in this file instead.") var replay: String?
  @Option(help: "Run so many interleavings of owners and devices instead; --run says which is the first.")
  var peers: Int?
  @Flag(help: "Go on after a failure.") var keepGoing = false
  @Flag(inversion: .prefixedNo, help: "Make failing workloads small.") var shrink = true
  @Flag(help: "Print the report as JSON.") var json = false
  @Flag(help: "List the mutants of a build that has them, and the models that each makes a difference to.")
  var listMutants = false

  func run() throws {
    if listMutants { return try MutantList.print() }
    if let replay { return try Replay(path: replay).run() }
    barkv_test_name_runs_in_signals()
    if let peers { return try runPeers(peers) }
    var settings = Rig.Settings()
    settings.seed = seed ?? baseSeed
    settings.firstRun = firstRun
    if let runs { settings.runs = firstRun + runs }
    if let seconds { settings.seconds = seconds }
    if let states { settings.states = states }
    if states == nil, seconds == nil, runs == nil { settings.states = 100_000 }
    if !model.isEmpty { settings.models = try model.map(Self.model(named:)) }
    if let workers { settings.workers = max(1, workers) }
    if let perPoint { settings.effort.statesPerPoint = max(1, perPoint) }
    settings.effort.deepShare = max(1, deepShare)
    settings.directory = directory
    settings.keepsGoing = keepGoing
    settings.shrinks = shrink
    let report = Rig(settings).run()
    print(json ? ReportText.json(report) : ReportText.plain(report))
    if !report.failures.isEmpty { throw ExitCode(1) }
  }

  private func runPeers(_ runs: Int) throws {
    let seed = seed ?? baseSeed
    let report = PeerRig(seed: seed, first: firstRun, runs: runs, workers: max(1, workers ?? processorCount())).run()
    print("\(report.text); \((report.seconds * 10).rounded() / 10) s, seed \(seed)")
    for failure in report.failures {
      print("FAILED: \(failure)\n  again: crashrig --seed \(seed) --peers 1 --run N")
    }
    if !report.failures.isEmpty { throw ExitCode(1) }
  }

  private static func model(named name: String) throws -> PersistenceModel {
    guard let model = PersistenceModel(rawValue: name) else { throw ValidationError("there is no model “\(name)”") }
    return model
  }
}
