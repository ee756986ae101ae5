import Testing

@testable import BarKV
@testable import StoreProcess

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Kills a process in the middle of its work, again and again, and looks at what is left: everything acknowledged is
/// there, of what was in flight each write is there whole or not at all, no batch is half there, no deleted key is back.
///
/// SIGKILL leaves all that the process stored, durable or not: this tests the logic of the log and of recovery in real
/// time, with real threads. What a power cut takes is the crash tests' matter.
@Suite struct KillLoopTests {
  /// Rounds on one file, one after the other.
  struct Setting: Sendable, CustomTestStringConvertible {
    var rounds: Int
    var size: Int
    var inMemory: Bool

    var testDescription: String { "\(rounds) rounds on \(size) bytes \(inMemory ? "in memory" : "on a disk")" }
  }

  /// A hundred rounds: most where stores are fast, some through the file system, some on a store that is nearly full.
  static let settings = [
    Setting(rounds: 70, size: 16 << 20, inMemory: true),
    Setting(rounds: 15, size: 16 << 20, inMemory: false),
    Setting(rounds: 15, size: 1 << 20, inMemory: true),
  ]

  @Test(arguments: settings) func nothingAcknowledgedIsLost(setting: Setting) throws {
    for base in Seeds.rounds(1) {
      var run = KillRun(setting)
      for round in 0..<(Seeds.given == nil ? setting.rounds : 1) {
        let seed = base &+ UInt64(round)
        Seeds.announce(seed)
        try run.round(seed: seed, isFresh: round % 10 == 0)
      }
      #expect(run.acknowledged > 0, "no process ever wrote")
    }
  }
}

/// A store file through its rounds, and what it held after the last one.
private struct KillRun {
  private let setting: KillLoopTests.Setting
  private let file: TemporaryFile
  private var contents: Contents = [:]
  /// How many writes were acknowledged in all rounds.
  private(set) var acknowledged = 0

  init(_ setting: KillLoopTests.Setting) {
    self.setting = setting
    file = TemporaryFile(inMemory: setting.inMemory)
  }

  mutating func round(seed: UInt64, isFresh: Bool) throws {
    if isFresh {
      try Store.create(at: file.address, size: setting.size, replacing: true).close()
      contents = [:]
    }
    let messages = try Self.runAndKill(file, seed: seed)
    acknowledged += messages.count { $0.phase == .acknowledged }
    // Looked at read-only first: what a reader sees is what recovery then keeps.
    let reader = try Store.open(at: file.address, access: .readOnly)
    var repeated: [[UInt8]] = []
    let seen = try reader.entries(repeated: &repeated)
    try reader.close()

    let store = try Store.open(at: file.address)
    let found = try store.entries(repeated: &repeated)
    #expect(repeated.isEmpty && found == seen, "seed \(seed): recovery keeps something else than a reader sees")
    #expect(store.count == found.count)
    try store.expectSound("seed \(seed)")
    KillJudge(workload: KillWorkload(seed: seed), before: contents, messages: messages).expect(found)
    // And once more, after a close.
    try store.close()
    let again = try Store.open(at: file.address)
    #expect(try again.entries(repeated: &repeated) == found, "seed \(seed): the second open differs")
    #expect(again.recovery.wasClosed)
    contents = found
    let statistics = again.statistics
    try again.close()
    // A store of ordinary size is replaced before it is full; the small one goes on where puts are refused.
    if setting.size > 1 << 20, statistics.freeBytes < statistics.capacityBytes / 2 {
      try Store.create(at: file.address, size: setting.size, replacing: true).close()
      contents = [:]
    }
  }

  /// Runs a writer, kills it at a random moment, and answers what it said.
  private static func runAndKill(_ file: TemporaryFile, seed: UInt64) throws -> [KillMessage] {
    var generator = SeededGenerator(seed: seed)
    let process = try ChildProcess(["write", file.path, "\(seed)"])
    var said: [UInt8] = []
    // Mostly from its first write on; now and then while it starts and opens the store.
    let waitsForFirst = !generator.oneIn(6)
    if waitsForFirst { said = process.read() }
    let deadline = monotonicNanoseconds() + UInt64(generator.below(waitsForFirst ? 100_000 : 40_000)) * 1000
    while true {
      let now = monotonicNanoseconds()
      guard now < deadline else { break }
      // The pipe is emptied all the time, so that the writer never waits for its reader.
      if process.waitForOutput(milliseconds: Int32((deadline - now) / 1_000_000 + 1)) { said += process.read() }
    }
    process.kill()
    said += process.readAll()
    #expect(try process.wait() == .signal(SIGKILL), "seed \(seed): the writer ended by itself")
    #expect(said.count % KillMessage.bytes == 0)
    return stride(from: 0, to: said.count - KillMessage.bytes + 1, by: KillMessage.bytes).compactMap { start in
      KillMessage(said[start..<start + KillMessage.bytes])
    }
  }
}

/// Decides whether what a killed process left is one of the states that it may leave.
private struct KillJudge {
  /// A step, and when it began and ended among all messages; `end` is `nil` where the kill came first.
  private struct Event {
    var step: KillWorkload.Step
    var begin: Int
    var end: Int?
  }

  private let workload: KillWorkload
  private let before: Contents
  /// The steps of each thread that may have changed something, in their order.
  private var events: [[Event]]

  init(workload: KillWorkload, before: Contents, messages: [KillMessage]) {
    self.workload = workload
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

  func expect(_ found: Contents) {
    let known = Set(
      KillWorkload.allSharedKeys + (0..<KillWorkload.threads).flatMap { KillWorkload.ownKeys(of: $0) })
    #expect(Set(found.keys).isSubset(of: known), "seed \(workload.seed): a key that nobody wrote")
    for thread in 0..<KillWorkload.threads { expectOwnKeys(of: thread, found) }
    for key in KillWorkload.allSharedKeys { expectSharedKey(key, found) }
  }

  /// The keys that one thread alone writes are as after its last acknowledged step, or all as after the one in flight.
  private func expectOwnKeys(of thread: Int, _ found: Contents) {
    let keys = KillWorkload.ownKeys(of: thread)
    var sure: Contents = [:]
    for key in keys { sure[key] = before[key] }
    var maybe = sure
    for event in events[thread] {
      sure = maybe
      for (key, value) in event.step.effects where key.starts(with: Array("own".utf8)) { maybe[key] = value }
      if event.end != nil { sure = maybe }
    }
    let left = found.filter { keys.contains($0.key) }
    #expect(
      left == sure || left == maybe,
      "seed \(workload.seed), thread \(thread): \(Self.difference(left, sure)) from the last acknowledged step")
    guard let last = events[thread].last, last.end == nil, left != maybe else { return }
    // The batch in flight is not there, so nothing of it is.
    for (key, value) in last.step.effects {
      if let value { #expect(found[key] != value, "seed \(workload.seed), thread \(thread): half a batch") }
    }
  }

  /// A key that all write has a value that some step gave it, or none, such that no other acknowledged step came wholly
  /// after that one.
  private func expectSharedKey(_ key: [UInt8], _ found: Contents) {
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
    #expect(isPossible, "seed \(workload.seed): \(String(decoding: key, as: UTF8.self)) has an impossible value")
  }

  /// How many keys differ.
  private static func difference(_ first: Contents, _ second: Contents) -> String {
    let keys = Set(first.keys).union(second.keys).filter { first[$0] != second[$0] }
    return "\(keys.count) keys differ"
  }
}
