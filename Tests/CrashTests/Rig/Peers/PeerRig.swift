import Synchronization

@testable import BarKV

/// Many interleavings of owners and devices, on all processors.
final class PeerRig: Sendable {
  struct Report: Sendable {
    var runs = 0
    var seconds = 0.0
    var count = PeerInterleaving.Count()
    var failures: [String] = []

    /// The report in words.
    var text: String {
      "\(runs) interleavings of owners and devices, \(count.steps) steps: \(count.reservations) reservations, "
        + "\(count.pieces) pieces, \(count.repeated) of them again, \(count.late) transfers late; \(count.commits) commits, "
        + "\(count.refusedCommits) refused; \(count.abandoned) abandoned; \(count.leases) leases; \(count.kills) kills and "
        + "\(count.cuts) power cuts, \(count.quarantined) reservations found in quarantine; \(failures.count) violations"
    }
  }

  private let seed: UInt64
  private let first: Int
  private let runs: Int
  private let workers: Int
  private let steps: Int
  private let next: Atomic<Int>
  private let report = Locked(Report())

  /// - Parameters:
  ///   - first: the first run's number.
  ///   - steps: the steps of each.
  init(seed: UInt64, first: Int = 0, runs: Int, workers: Int = processorCount(), steps: Int = 60) {
    self.seed = seed
    self.first = first
    self.runs = runs
    self.workers = workers
    self.steps = steps
    next = Atomic(first)
  }

  func run() -> Report {
    let began = monotonicNanoseconds()
    let threads = (0..<workers).compactMap { _ in Thread { [self] in work() } }
    for thread in threads { thread.join() }
    return report.withLock { report in
      report.seconds = Double(monotonicNanoseconds() - began) / 1e9
      return report
    }
  }

  private func work() {
    while report.withLock({ $0.failures.count }) < 5 {
      let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard number < first + runs else { return }
      var failure: String?
      var count = PeerInterleaving.Count()
      do {
        let run = try PeerInterleaving(seed: Rig.seed(of: number, base: seed))
        defer { count = run.count }
        do { try run.run(steps: steps) } catch {
          let text = (error as? RigFailure)?.description ?? "\(error)"
          failure = "run \(number): \(text)"
        }
      } catch {
        failure = "run \(number): \(error)"
      }
      report.withLock { report in
        report.runs += 1
        report.count.add(count)
        if let failure { report.failures.append(failure) }
      }
    }
  }
}
