import CStepper
import Glibc

/// What a call costs.
struct Cost: Codable, Equatable {
  /// Instructions of the calling thread, an entry; `nil` where they cannot be counted.
  var instructions: Double?
  /// Allocations of the calling thread, a call.
  var allocations: Double
}

/// Counts what all calls cost.
enum Costs {
  /// How many times each call is counted, after as many that are not; the median counts: a table that grows, or a segment
  /// that is opened, happens to few.
  private static var repetitions: Int { 15 }

  /// Why nothing could be counted.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// What a child is told.
  private final class Task {
    let path: String
    init(path: String) { self.path = path }
  }

  /// - Parameter note: is told why instructions could not be counted: a container may forbid a process to trace its child.
  static func count(directory: String, note: (String) -> Void) throws -> [GuardedCall: Cost] {
    let path = "\(directory)/barkv-guard.\(getpid())"
    let allocations = try countAllocations(path)
    var instructions: [GuardedCall: UInt64] = [:]
    do { instructions = try countInstructions(path) } catch let failure as Failure { note(failure.description) }
    return Dictionary(
      uniqueKeysWithValues: GuardedCall.allCases.map { call in
        let cost = Cost(
          instructions: instructions[call].map { Double($0) / Double(call.entries) },
          allocations: allocations[call] ?? 0)
        return (call, cost)
      })
  }

  private static func makeCaller(_ path: String) throws -> Caller {
    try Caller(path: path) { unsafe _ = unlink($0) }
  }

  private static func countAllocations(_ path: String) throws -> [GuardedCall: Double] {
    var caller = try makeCaller(path)
    var counts: [GuardedCall: Double] = [:]
    for call in GuardedCall.allCases {
      for _ in 0..<repetitions { try caller.make(call) }
      var found: [UInt64] = []
      found.reserveCapacity(repetitions)
      for _ in 0..<repetitions {
        let before = cst_allocations()
        try caller.make(call)
        let after = cst_allocations()
        found.append(after - before)
      }
      counts[call] = Double(median(found))
    }
    return counts
  }

  private static func countInstructions(_ path: String) throws -> [GuardedCall: UInt64] {
    var counts = [UInt64](repeating: 0, count: GuardedCall.allCases.count * repetitions + 1)
    let task = Task(path: path)
    let found = withExtendedLifetime(task) {
      unsafe cst_run(
        { context in
          guard let context = unsafe context else { return }
          Costs.makeCalls(unsafe Unmanaged<Task>.fromOpaque(context).takeUnretainedValue().path)
        }, Unmanaged.passUnretained(task).toOpaque(), &counts, Int32(counts.count))
    }
    guard Int(found) == counts.count else {
      throw Failure(description: "the child that makes the calls gave \(found) counts: may it be traced here?")
    }
    // What marking itself costs.
    let nothing = counts[0]
    return Dictionary(
      uniqueKeysWithValues: GuardedCall.allCases.enumerated().map { place, call in
        let own = counts[(1 + place * repetitions)..<(1 + (place + 1) * repetitions)]
        return (call, median(Array(own)) - nothing)
      })
  }

  /// What the child does.
  private static func makeCalls(_ path: String) {
    do {
      var caller = try makeCaller(path)
      cst_begin()
      cst_end()
      for call in GuardedCall.allCases {
        for _ in 0..<repetitions { try caller.make(call) }
        for _ in 0..<repetitions {
          cst_begin()
          try caller.make(call)
          cst_end()
        }
      }
    } catch {
      _exit(3)
    }
  }

  private static func median(_ counts: [UInt64]) -> UInt64 { counts.sorted()[counts.count / 2] }
}
