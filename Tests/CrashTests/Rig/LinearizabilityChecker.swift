/// Decides whether a history of overlapping operations has an order that explains every answer, and what a crash may
/// leave: durable linearizability, after Wing and Gong, with each operation ordered as late as its acknowledgement
/// forces it to be.
///
/// It keeps every configuration that some order leads to: the contents, and how far each open operation has got in them.
/// With a few threads there are few, so the whole map is searched at once; to take single keys apart would find nothing
/// more and miss what batches tie together.
///
/// - What was acknowledged has taken effect; what is in flight has or has not; a batch has as a whole or not at all.
/// - A read is an operation too. What it saw had taken effect, so that it has to survive every later crash.
struct LinearizabilityChecker {
  /// What one order leads to.
  private struct Configuration: Hashable {
    var values: [Int]
    /// The steps done of each open operation, in the order of ``open``.
    var progress: [Int]
    /// What each open operation answered in this order; -2 where it has answered nothing.
    var results: [Int]
  }

  /// No order explains an answer.
  struct Violation: Error {
    var description: String
  }

  private var open: [TrackedOperation] = []
  private var configurations: Set<Configuration>

  /// - Parameter values: the value of each key, or -1.
  init(values: [Int]) {
    configurations = [Configuration(values: values, progress: [], results: [])]
  }

  /// Enters that `operation` was called.
  mutating func begin(_ operation: TrackedOperation) {
    open.append(operation)
    configurations = Set(
      configurations.map { old in
        var new = old
        new.progress.append(0)
        new.results.append(-2)
        return new
      })
  }

  /// Enters that the operation returned.
  mutating func acknowledge(_ number: Int, _ result: OperationResult) throws(Violation) {
    guard let place = open.firstIndex(where: { $0.number == number }) else {
      throw Violation(description: "an acknowledgement of an operation that never began")
    }
    let operation = open[place]
    // A deferred write has taken no effect yet, unless it was refused.
    if operation.kind == .deferred, result != .refused { return }
    if result == .refused {
      configurations = configurations.filter { $0.progress[place] == 0 }
      try removing([place], operation, result)
      return
    }
    // A write makes what was deferred before it take effect first; a read does not.
    var required = [place]
    if operation.kind == .persist || !operation.steps.allSatisfy(\.isRead) {
      required += open.indices.filter { $0 < place && open[$0].kind == .deferred }
    }
    var reached: Set<Configuration> = []
    for configuration in configurations {
      explore(configuration) { found in
        guard required.allSatisfy({ isComplete($0, found) }) else { return true }
        if case .found(let answer) = result, found.results[place] != answer { return false }
        reached.insert(found)
        // Whatever else is open can be ordered later.
        return false
      }
    }
    configurations = reached
    try removing(required, operation, result)
  }

  private mutating func removing(
    _ places: [Int], _ operation: TrackedOperation, _ result: OperationResult
  ) throws(Violation) {
    guard !configurations.isEmpty else {
      throw Violation(description: "no order explains that \(operation.label) answered \(result)")
    }
    for place in places.sorted(by: >) {
      open.remove(at: place)
      configurations = Set(
        configurations.map { old in
          var new = old
          new.progress.remove(at: place)
          new.results.remove(at: place)
          return new
        })
    }
  }

  /// The contents that a crash at this moment may leave.
  func survivors() -> Set<[Int]> {
    var result: Set<[Int]> = []
    for configuration in configurations {
      explore(configuration) { found in
        let isWhole = open.indices.allSatisfy { place in
          open[place].kind != .batch || found.progress[place] == 0 || isComplete(place, found)
        }
        if isWhole { result.insert(found.values) }
        return true
      }
    }
    return result
  }

  /// Enters what everybody would read now, where no call is being made: orders that lead to anything else did not happen.
  mutating func observe(_ values: [Int]) throws(Violation) {
    var reached: Set<Configuration> = []
    for configuration in configurations {
      explore(configuration) { found in
        if found.values == values { reached.insert(found) }
        return true
      }
    }
    guard !reached.isEmpty else { throw Violation(description: "contents that no order explains") }
    configurations = reached
  }

  /// Enters that the process has ended: what was deferred, and has not taken effect, never will.
  mutating func forgetDeferred() {
    var reached: Set<Configuration> = []
    for configuration in configurations {
      explore(configuration) { found in
        reached.insert(found)
        return true
      }
    }
    configurations = reached
    let left = open.indices.filter { open[$0].kind == .deferred }
    for place in left.reversed() {
      open.remove(at: place)
      configurations = Set(
        configurations.map { old in
          var new = old
          new.progress.remove(at: place)
          new.results.remove(at: place)
          return new
        })
    }
  }

  /// Whether something is deferred.
  var hasDeferred: Bool { open.contains { $0.kind == .deferred } }

  /// A description of what is in flight.
  var inFlight: String { open.map(\.label).joined(separator: ", ") }

  // MARK: Search

  private func isComplete(_ place: Int, _ configuration: Configuration) -> Bool {
    configuration.progress[place] == open[place].steps.count
  }

  /// Visits every configuration that some order of further steps leads to, once; `visit` says whether to go on from it.
  private func explore(_ start: Configuration, _ visit: (Configuration) -> Bool) {
    var seen: Set<Configuration> = [start]
    var stack = [start]
    while let current = stack.popLast() {
      guard visit(current) else { continue }
      for place in open.indices where !isComplete(place, current) {
        guard mayStep(place, current) else { continue }
        let next = step(place, current)
        if seen.insert(next).inserted { stack.append(next) }
      }
    }
  }

  private func mayStep(_ place: Int, _ configuration: Configuration) -> Bool {
    let operation = open[place]
    let step = operation.steps[configuration.progress[place]]
    if step.isRead { return true }
    for other in open.indices where other != place {
      // What was deferred takes effect in order, and before every later write.
      if other < place, open[other].kind == .deferred, !isComplete(other, configuration) { return false }
      // A batch holds its keys until all its steps are done.
      if open[other].kind == .batch, configuration.progress[other] > 0, !isComplete(other, configuration),
        open[other].steps.contains(where: { $0.key == step.key })
      {
        return false
      }
    }
    return true
  }

  private func step(_ place: Int, _ configuration: Configuration) -> Configuration {
    var next = configuration
    switch open[place].steps[configuration.progress[place]] {
    case .set(let key, let value):
      next.values[key] = value
    case .remove(let key):
      next.results[place] = next.values[key] >= 0 ? 1 : 0
      next.values[key] = -1
    case .compareAndSet(let key, let expected, let new):
      let isAsExpected = next.values[key] == expected
      next.results[place] = isAsExpected ? 1 : 0
      if isAsExpected { next.values[key] = new }
    case .read(let key):
      next.results[place] = next.values[key]
    }
    next.progress[place] += 1
    return next
  }
}
