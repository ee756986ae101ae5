/// Decides whether what a killed process left is one of the states that it may leave.
struct KillJudge {
  typealias Contents = [[UInt8]: [UInt8]]

  /// Something that may not be.
  struct Finding: CustomStringConvertible {
    let description: String
    /// How many keys have lost what was acknowledged of them.
    var lostKeys = 0
  }

  /// A step, and when it began and ended among all messages; `end` is `nil` where the kill came first.
  private struct Event {
    var step: KillWorkload.Step
    var begin: Int
    var end: Int?
  }

  private let before: Contents
  /// The steps of each thread that may have changed something, in their order.
  private var events: [[Event]]

  /// - Parameters:
  ///   - before: what the store held when the process opened it.
  ///   - messages: what the process said until it was killed.
  init(workload: KillWorkload, before: Contents, messages: [KillMessage]) {
    self.before = before
    events = Array(repeating: [], count: KillWorkload.threads)
    for (time, message) in messages.enumerated() {
      switch message.phase {
      case .begins:
        let step = workload.step(message.number, thread: message.thread)
        events[message.thread].append(Event(step: step, begin: time, end: nil))
      case .acknowledged:
        events[message.thread][events[message.thread].count - 1].end = time
      case .refused:
        events[message.thread].removeLast()
      }
    }
  }

  /// How many steps were acknowledged.
  var acknowledgedSteps: Int { events.joined().count { $0.end != nil } }

  /// The keys of which something was acknowledged, in this process or before it: a value, or that there is none.
  var acknowledgedKeys: Set<[UInt8]> {
    events.joined().reduce(into: Set(before.keys)) { keys, event in
      if event.end != nil { keys.formUnion(event.step.effects.keys) }
    }
  }

  /// What is wrong with what the store holds now.
  func findings(in found: Contents) -> [Finding] {
    let ownKeys = (0..<KillWorkload.threads).map(KillWorkload.ownKeys(of:))
    let known = Set(KillWorkload.allSharedKeys + ownKeys.joined())
    // What was there from elsewhere is nobody's to change.
    let others = Set(before.keys).union(found.keys).subtracting(known)
    let changed = others.filter { before[$0] != found[$0] }
    let lost = changed.count { before[$0] != nil }
    return (changed.isEmpty ? [] : [Finding(description: "\(changed.count) keys that nobody wrote", lostKeys: lost)])
      + ownKeys.indices.flatMap { findingsInOwnKeys(ownKeys[$0], of: $0, found) }
      + KillWorkload.allSharedKeys.compactMap { findingInSharedKey($0, found) }
  }

  /// The keys that one thread alone writes are as after its last acknowledged step, or all as after the one in flight.
  private func findingsInOwnKeys(_ keys: [[UInt8]], of thread: Int, _ found: Contents) -> [Finding] {
    var sure = before.filter { keys.contains($0.key) }
    var maybe = sure
    for event in events[thread] {
      sure = maybe
      for (key, value) in event.step.effects where keys.contains(key) { maybe[key] = value }
      if event.end != nil { sure = maybe }
    }
    let left = found.filter { keys.contains($0.key) }
    guard left != maybe else { return [] }
    var findings: [Finding] = []
    if left != sure {
      let lost = keys.count { left[$0] != sure[$0] && left[$0] != maybe[$0] }
      let description =
        "thread \(thread): \(keys.count { left[$0] != sure[$0] }) keys differ from the last acknowledged step"
      findings.append(Finding(description: description, lostKeys: lost))
    }
    guard let last = events[thread].last, last.end == nil else { return findings }
    // The batch in flight is not there, so nothing of it is.
    for (key, value) in last.step.effects {
      if let value, found[key] == value { findings.append(Finding(description: "thread \(thread): half a batch")) }
    }
    return findings
  }

  /// A key that all write has a value that some step gave it, or none, such that no other acknowledged step came wholly
  /// after that one.
  private func findingInSharedKey(_ key: [UInt8], _ found: Contents) -> Finding? {
    var writes: [(begin: Int, end: Int?, value: [UInt8]?)] = [(-1, -1, before[key])]
    for event in events.joined() {
      if let value = event.step.effects[key] { writes.append((event.begin, event.end, value)) }
    }
    let isPossible = writes.contains { write in
      write.value == found[key]
        && !writes.contains { other in
          guard let end = write.end, other.end != nil else { return false }
          return other.begin > end
        }
    }
    return isPossible
      ? nil : Finding(description: "\(String(decoding: key, as: UTF8.self)) has an impossible value", lostKeys: 1)
  }
}
