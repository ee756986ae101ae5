import CTestSupport
import Synchronization

@testable import BarKV

/// Many runs, on all processors, until enough is judged.
final class Rig: Sendable {
  struct Settings: Sendable {
    var seed: UInt64 = 1
    /// The first run's number.
    var firstRun = 0
    /// How many runs, states or seconds at most.
    var runs = Int.max
    var states = Int.max
    var seconds = Double.infinity
    var models = PersistenceModel.allCases
    var workers = processorCount()
    var effort = Judge.Effort()
    /// Whether to go on after a failure.
    var keepsGoing = false
    /// Where the images of failures go.
    var directory = "."
    var shrinks = true
  }

  struct Failure: Sendable {
    var run: Int
    var seed: UInt64
    var model: PersistenceModel
    var description: String
    var workload: String
    var image: String
  }

  struct Report: Sendable {
    var seed: UInt64 = 0
    var seconds = 0.0
    var runs = 0
    var concurrentRuns = 0
    var counts: [PersistenceModel: Judge.Count] = [:]
    var failures: [Failure] = []
    var states: Int { counts.values.reduce(0) { $0 + $1.states } }
    var nested: Int { counts.values.reduce(0) { $0 + $1.nested } }
  }

  let settings: Settings
  private let next: Atomic<Int>
  private let states = Atomic<Int>(0)
  private let stopped = Atomic<Bool>(false)
  private let began = monotonicNanoseconds()
  private let report: Locked<Report>
  private let watchdog = Watchdog()

  init(_ settings: Settings) {
    self.settings = settings
    next = Atomic(settings.firstRun)
    report = Locked(Report(seed: settings.seed))
  }

  /// The seed of a run.
  static func seed(of run: Int, base: UInt64) -> UInt64 {
    var generator = SeededGenerator(seed: base &+ UInt64(run) &* 0xD134_2543_DE82_EF95)
    return generator.next()
  }

  private var elapsed: Double { Double(monotonicNanoseconds() - began) / 1e9 }

  func run() -> Report {
    let workers = (0..<settings.workers).compactMap { number in
      Thread { [self] in work(number) }
    }
    watchdog.start()
    for worker in workers { worker.join() }
    watchdog.stop()
    return report.withLock { report in
      report.seconds = elapsed
      return report
    }
  }

  private func work(_ worker: Int) {
    while !stopped.load(ordering: .relaxed), elapsed < settings.seconds {
      let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard number < settings.runs else { return }
      runOne(number, worker: worker)
    }
  }

  private func runOne(_ number: Int, worker: Int) {
    let seed = Self.seed(of: number, base: settings.seed)
    let model = settings.models[number % settings.models.count]
    let workload = Workload.random(seed: seed)
    let run = RigRun(seed: seed, model: model, workload: workload, effort: settings.effort) {
      [self] (count) throws(RigStop) in
      watchdog.note(worker, run: number)
      let total = states.wrappingAdd(count, ordering: .relaxed).newValue
      if total >= settings.states || stopped.load(ordering: .relaxed) || (total & 63 == 0 && elapsed > settings.seconds)
      {
        stopped.store(true, ordering: .relaxed)
        throw RigStop()
      }
    }
    watchdog.note(worker, run: number)
    unsafe barkv_test_set_run(settings.seed, UInt64(number), model.rawValue)
    var failure: RigFailure?
    do { try run.run() } catch { failure = error as? RigFailure }
    watchdog.rest(worker)
    report.withLock { report in
      report.runs += 1
      if workload.isConcurrent { report.concurrentRuns += 1 }
      report.counts[model, default: Judge.Count()].add(run.judge.count)
    }
    if let failure {
      if !settings.keepsGoing { stopped.store(true, ordering: .relaxed) }
      keep(failure, run: number, seed: seed, model: model, workload: workload)
    }
  }

  private func keep(_ first: RigFailure, run: Int, seed: UInt64, model: PersistenceModel, workload: Workload) {
    var (smallest, failure) = (workload, first)
    if settings.shrinks {
      let shrinker = Shrinker { [settings] candidate in
        // Threads meet by chance: a few tries for them.
        for _ in 0..<(candidate.isConcurrent ? 4 : 1) {
          do {
            try RigRun(seed: seed, model: model, workload: candidate, effort: settings.effort).run()
          } catch {
            return error as? RigFailure
          }
        }
        return nil
      }
      (smallest, failure) = shrinker.shrink(workload, first)
    }
    let keeper = FailureKeeper(directory: settings.directory)
    let name = "crash-\(settings.seed)-\(run)"
    let image = (try? keeper.keep(failure, name: name, about: failure.description)) ?? "(not written)"
    report.withLock { report in
      report.failures.append(
        Failure(
          run: run, seed: settings.seed, model: model, description: failure.description,
          workload: "\(smallest.shape), \(smallest.phases)", image: image))
    }
  }
}

extension Judge.Count {
  mutating func add(_ other: Judge.Count) {
    states += other.states
    nested += other.nested
    alike += other.alike
    repeated += other.repeated
    points += other.points
  }
}
