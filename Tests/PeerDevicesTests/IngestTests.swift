import BarKV
import Testing

@testable import PeerDevices

/// `barkv-ingest` with a disk that is a thread.
@Suite struct IngestTests {
  private func run(
    _ bench: Bench, _ command: String, _ arguments: String..., input: String = ""
  ) throws -> IngestTool.Outcome {
    try IngestTool.run(
      [
        command, "pci:\(Bench.target)/2", "--sysfs", bench.sysfs.root, "--disk", Bench.disk, "--queues",
        "\(Bench.queues)/2",
      ] + arguments, input: input)
  }

  private func block(_ bench: Bench, _ first: Int, _ count: Int) -> [UInt8] {
    Array(bench.blocks[first * 512..<(first + count) * 512])
  }

  @Test func thereAndBack() throws {
    let bench = try Bench()
    try bench.store(creating: true).close()
    let read = try run(bench, "read", "a:0:1", "b:7:100", "with:colon:9:8", "c:300:33", "d:1000:1", "--json")
    #expect(read.status == 0, "\(read.errors)")
    #expect(try read.number("transfers") == 5 && read.number("payloadBytes") == 143 * 512)
    #expect(try read.number("copiedBytes") == 0 && read.number("released") == 0)
    // Each is read and compared; the second takes two commands for each, at 32 KiB.
    #expect(try read.number("commands") == 12 && bench.controller.commandCount == 12)
    let store = try bench.store()
    let places: [(String, Int, Int)] = [
      ("a", 0, 1), ("b", 7, 100), ("with:colon", 9, 8), ("c", 300, 33), ("d", 1000, 1),
    ]
    for (key, first, count) in places { #expect(try store.get(key) == block(bench, first, count)) }
    #expect(try store.count == 5 && store.reservations.isEmpty && store.verify().isSound)
    try store.close()
    let write = try run(bench, "write", "b:2000", "with:colon:3000", "--json")
    #expect(write.status == 0, "\(write.errors)")
    #expect(try write.number("payloadBytes") == 108 * 512 && write.number("copiedBytes") == 0)
    let disk = bench.controller.disk
    #expect(Array(disk[2000 * 512..<2100 * 512]) == block(bench, 7, 100))
    #expect(Array(disk[3000 * 512..<3008 * 512]) == block(bench, 9, 8))
    #expect(bench.controller.problem == nil)
  }

  /// The count of copied bytes is one: where values are copied, it says how many bytes.
  @Test func copiesAreCounted() throws {
    let bench = try Bench()
    try bench.store(creating: true).close()
    let read = try run(bench, "read", "a:5:60", "b:0:1", "--through-memory", "--json")
    #expect(read.status == 0, "\(read.errors)")
    #expect(try read.number("copiedBytes") == 61 * 512 && read.number("payloadBytes") == 61 * 512)
    let store = try bench.store()
    #expect(try store.get("a") == block(bench, 5, 60) && store.get("b") == block(bench, 0, 1))
    try store.close()
  }

  @Test func linesOfStandardInput() throws {
    let bench = try Bench()
    try bench.store(creating: true).close()
    let lines = (0..<20).map { "key \($0 % 7):\($0 * 10):\($0 + 1)\n" }.joined()
    let read = try run(bench, "read", "--acknowledge", "--depth", "3", "-", input: lines + "nonsense\nlater:0:1\n")
    #expect(read.status == 64 && read.errors.contains("nonsense"))
    #expect(read.output == (1...20).map { "\($0)\n" }.joined())
    let store = try bench.store()
    for number in 13..<20 { #expect(try store.get("key \(number % 7)") == block(bench, number * 10, number + 1)) }
    #expect(try store.get("later") == nil && store.reservations.isEmpty)
    try store.close()
  }

  /// What fails is not there, nor is its place kept: the disk was reset.
  @Test(arguments: [
    (FakeController.Misbehaviour(ioStatus: 0x81), Int32(74)), (.init(damagesReads: true), 65),
    (.init(wrongIdentifiers: true), 74),
  ])
  func aDiskThatFails(_ misbehaviour: FakeController.Misbehaviour, status: Int32) throws {
    let bench = try Bench(misbehaviour)
    let store = try bench.store(creating: true)
    try store.put(Array("before".utf8), for: "a")
    try store.close()
    let read = try run(bench, "read", "a:0:1", "b:7:100", "c:0:3")
    #expect(read.status == status, "\(read.errors)")
    let after = try bench.store()
    #expect(try after.get("a") == Array("before".utf8) && after.count == 1)
    #expect(after.reservations.isEmpty)
    try after.close()
  }

  @Test func whatAnEarlierRunLeft() throws {
    let bench = try Bench()
    let store = try bench.store(creating: true)
    for number in 0..<2 { _ = try store.reserve(5000, for: "left \(number)") }
    try store.close()
    let other = try run(bench, "read", "a:0:1", "--json")
    #expect(try other.number("released") == 0, "\(other.errors)")
    let read = try run(bench, "read", "--release", "--json")
    #expect(try read.status == 0 && read.number("released") == 2 && read.number("transfers") == 0)
    let after = try bench.store()
    #expect(after.reservations.isEmpty)
    try after.close()
  }

  @Test func whatIsWrong() throws {
    let bench = try Bench()
    try bench.store(creating: true).close()
    func status(_ command: String, _ arguments: String...) throws -> Int32 {
      try IngestTool.run(
        [command, "pci:\(Bench.target)/2", "--sysfs", bench.sysfs.root, "--queues", "\(Bench.queues)/2"] + arguments
      ).status
    }
    let disk = ["--disk", Bench.disk]
    #expect(try run(bench, "read").status == 64)
    for wrong in ["a", "a:1", "a:b:1", "a:1:0", ":1:1", "a:1:-1", "a:99999999999999999999:1", "a:1:1:"] {
      #expect(try run(bench, "read", wrong).status == 64, "\(wrong)")
    }
    // Beyond the disk, and more than a number takes.
    for wrong in ["a:4096:1", "a:4095:2", "a:0:9223372036854775807"] {
      let outcome = try run(bench, "read", wrong)
      #expect(outcome.status == 64, "\(wrong): \(outcome.errors)")
    }
    #expect(try run(bench, "read", "a:0:1", "--depth", "0").status == 64)
    #expect(try run(bench, "read", "a:0:1", "--namespace", "2").status == 64)
    #expect(try run(bench, "write", "absent:0").status == 66)
    #expect(try status("read", "--disk", "nothing", "a:0:1") == 64)
    #expect(try status("read", "--disk", "0000:09:00.0", "a:0:1") == 66)
    #expect(try status("read", "--disk", Bench.target, "a:0:1") == 74)
    let open = try bench.store()
    try open.put([1, 2, 3], for: "short")
    #expect(try status("read", disk[0], disk[1], "a:0:1") == 75)
    try open.close()
    #expect(try run(bench, "write", "short:0").status == 64)
    let after = try bench.store()
    #expect(after.count == 1 && after.reservations.isEmpty, "\(after.count) keys, \(after.reservations)")
    try after.close()
  }

  @Test func help() throws {
    for arguments in [["--help"], ["read", "--help"], ["write", "--help"], ["copy", "--help"]] {
      let outcome = try IngestTool.run(arguments)
      #expect(outcome.status == 0 && outcome.output.contains("USAGE: barkv-ingest") && outcome.errors == "")
      #expect(!outcome.output.contains("sysfs"))
    }
    #expect(try IngestTool.run(["--version"]).output == "0.1.0\n")
  }
}
