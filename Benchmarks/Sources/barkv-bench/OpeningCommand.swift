import ArgumentParser
import BarKV
import BenchSupport
import CRawLoops
import Foundation

/// What opening costs after a process was killed while it wrote, and the first gets after that.
struct OpeningCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "opening",
    abstract: "Measures opening after SIGKILL in the middle of writing, by the number of keys, and the first gets.")

  @Option(help: "The numbers of keys, with commas between.")
  var keys = "100000,10000000"

  @Option(help: "The bytes of a value: 8 to 4,000. A key has 16.")
  var valueBytes = 100

  @Option(help: "How many times each is killed and opened; medians count.")
  var rounds = 5

  @Option(help: "A directory on tmpfs for the regions.")
  var directory = "/dev/shm"

  @Option(help: "The budget for the index in memory, in bytes a key; 0 for none.")
  var indexBytesPerKey = 0.0

  mutating func validate() throws {
    guard (8...4_000).contains(valueBytes) else { throw ValidationError("--value-bytes is to be 8 to 4,000.") }
    guard numbers.allSatisfy({ (1...1_000_000_000).contains($0) }), !numbers.isEmpty else {
      throw ValidationError("--keys is to be numbers of 1 to 1,000,000,000.")
    }
    guard (1...1_000).contains(rounds) else { throw ValidationError("--rounds is to be 1 to 1,000.") }
  }

  private var numbers: [Int] { keys.split(separator: ",").map { Int($0) ?? 0 } }

  mutating func run() throws {
    forcePersistentMemory()
    print(
      "        keys    open, ms  slowest   first gets, us: median   99.9 %  slowest   DRAM, bytes a key   get then, ns")
    for count in numbers {
      let figures = try measure(count)
      print(
        String(
          format: "%12d %11.2f %8.2f %24.1f %8.1f %8.1f %19.2f %14.0f", count, median(figures.map(\.opening)),
          figures.map(\.opening).max() ?? 0, median(figures.map(\.firstMedian)), median(figures.map(\.firstHigh)),
          figures.map(\.firstSlowest).max() ?? 0, median(figures.map(\.bytesPerKey)),
          median(figures.map(\.laterGet))))
    }
  }

  private struct Figures {
    var opening: Double
    var firstMedian: Double
    var firstHigh: Double
    var firstSlowest: Double
    var bytesPerKey: Double
    var laterGet: Double
  }

  private func measure(_ count: Int) throws -> [Figures] {
    let path = "\(directory)/barkv-bench.opening.\(ProcessInfo.processInfo.processIdentifier)"
    defer { unsafe unlink(path) }
    let record = (12 + 16 + valueBytes + 63) / 64 * 64
    // Room for the index, and for the overwrites that go on until the kill.
    let size = (count * record / 10 * 14 + (256 << 20)) & ~0xFFF
    return try (0..<rounds).map { round in
      note("\(count) keys, round \(round + 1) of \(rounds)")
      try fill(path, count: count, size: size)
      return try open(path, count: count, seed: UInt64(round))
    }
  }

  /// Lets another process fill the store, and kills it while it writes on.
  private func fill(_ path: String, count: Int, size: Int) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      "fill", path, "--keys", "\(count)", "--value-bytes", "\(valueBytes)", "--size", "\(size)",
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    guard pipe.fileHandleForReading.availableData == Data("filled\n".utf8) else {
      throw BenchError.kvcli("the process that fills the store ended early")
    }
    usleep(UInt32.random(in: 50_000...500_000))
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  private func open(_ path: String, count: Int, seed: UInt64) throws -> Figures {
    var options = StoreOptions()
    if indexBytesPerKey > 0 { options.indexBytes = Int(indexBytesPerKey * Double(count)) }
    let begun = now()
    let store = try Store.open(at: StoreAddress(path: path), options: options)
    let opening = Double(now() - begun) / 1e6
    defer { try? store.close() }
    var first = LatencyHistogram()
    for step in 0..<UInt64(min(count, 10_000)) {
      let begun = now()
      try get(store, crl_mix(step &* 31 &+ seed) % UInt64(count))
      first.add(now() - begun)
    }
    // All that is there, once: then everything is resident that the budget lets be.
    for number in 0..<count { try get(store, UInt64(number)) }
    let begunAgain = now()
    let gets = UInt64(min(count, 1_000_000))
    for step in 0..<gets { try get(store, crl_mix(step &+ seed) % UInt64(count)) }
    let later = Double(now() - begunAgain) / Double(gets)
    let statistics = store.statistics
    guard statistics.keyCount == count else {
      throw BenchError.wrongAnswer(
        subject: .barkv, work: .get, expected: UInt64(count), found: UInt64(statistics.keyCount))
    }
    return Figures(
      opening: opening, firstMedian: Double(first.quantile(0.5)) / 1e3, firstHigh: Double(first.quantile(0.999)) / 1e3,
      firstSlowest: Double(first.longest) / 1e3, bytesPerKey: Double(statistics.indexBytes) / Double(count),
      laterGet: later)
  }

  private func get(_ store: Store, _ number: UInt64) throws {
    let key = key(of: number)
    let found = try unsafe store.withValue(of: key.span.bytes) { unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
    guard found == number else {
      throw BenchError.wrongAnswer(subject: .barkv, work: .get, expected: number, found: found ?? .max)
    }
  }
}
