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
    var segmentSize: Int?

    var testDescription: String { "\(rounds) rounds on \(size) bytes \(inMemory ? "in memory" : "on a disk")" }
  }

  /// Two hundred rounds: most where stores are fast, some through the file system; half of them on stores that are so small
  /// that checkpoints, merges and compaction are under way all the time.
  static let settings = [
    Setting(rounds: 70, size: 16 << 20, inMemory: true),
    Setting(rounds: 15, size: 16 << 20, inMemory: false),
    Setting(rounds: 15, size: 1 << 20, inMemory: true),
    Setting(rounds: 50, size: 2 << 20, inMemory: true, segmentSize: 8 << 10),
    Setting(rounds: 50, size: 800 << 10, inMemory: true, segmentSize: 8 << 10),
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
      var options = StoreOptions()
      options.segmentSize = setting.segmentSize
      try Store.create(at: file.address, size: setting.size, options: options, replacing: true).close()
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
    let judge = KillJudge(workload: KillWorkload(seed: seed), before: contents, messages: messages)
    for finding in judge.findings(in: found) { Issue.record("seed \(seed): \(finding)") }
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
      var options = StoreOptions()
      options.segmentSize = setting.segmentSize
      try Store.create(at: file.address, size: setting.size, options: options, replacing: true).close()
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
    return KillMessage.all(in: said)
  }
}
