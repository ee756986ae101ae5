/// Makes a failing workload small: leaves operations out as long as what is left still fails.
struct Shrinker {
  /// Runs a workload; the failure, if it fails.
  let attempt: (Workload) -> RigFailure?
  /// At most so many runs.
  var budget = 300

  /// The smallest failing workload found, and how it fails.
  func shrink(_ workload: Workload, _ failure: RigFailure) -> (Workload, RigFailure) {
    var best = (workload, failure)
    var left = budget
    func fails(_ candidate: Workload) -> Bool {
      guard left > 0, candidate != best.0 else { return false }
      left -= 1
      guard let failure = attempt(candidate) else { return false }
      best = (candidate, failure)
      return true
    }
    // Nothing at the end is needed that comes after the failure: halves, quarters, and so on, then one by one.
    var size = max(1, workload.count / 2)
    while left > 0 {
      var position = 0
      var shrank = false
      while position < best.0.count, left > 0 {
        if fails(best.0.leavingOut(position..<min(position + size, best.0.count))) {
          shrank = true
        } else {
          position += size
        }
      }
      if size == 1, !shrank { break }
      if !shrank || size > best.0.count { size = max(1, size / 2) }
    }
    return best
  }
}

extension Workload {
  /// The workload without the operations with these numbers, counted over all phases and threads.
  func leavingOut(_ range: Range<Int>) -> Workload {
    var number = 0
    func filtered(_ operations: [Operation]) -> [Operation] {
      operations.filter { _ in
        defer { number += 1 }
        return !range.contains(number)
      }
    }
    var result = self
    result.phases = phases.compactMap { phase in
      switch phase {
      case .alone(let operations):
        let kept = filtered(operations)
        return kept.isEmpty ? nil : .alone(kept)
      case .together(let threads):
        let kept = threads.map(filtered).filter { !$0.isEmpty }
        return kept.isEmpty ? nil : .together(kept)
      }
    }
    return result
  }
}
