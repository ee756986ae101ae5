import ArgumentParser
import BarKV
import BenchSupport
import CRawLoops
import Foundation
import Synchronization

/// What years of use come to: a store that is nearly full, and overwritten many times over.
struct OverwritingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overwriting",
    abstract: "Fills a store to a share of what it can hold, overwrites it many times over, then fills it up.")

  enum Skew: String, ExpressibleByArgument { case uniform, zipfian }

  @Option(help: "The region's bytes.")
  var size = 1 << 30

  @Option(help: "The bytes of a value: 8 to 1,000,000. A key has 16. From 4,096 on values are in extents.")
  var valueBytes = 100

  @Option(help: "The share of the usable bytes that lives.")
  var fill = 0.9

  @Option(help: "How many times the capacity is overwritten.")
  var turns = 10

  @Option(help: "Which keys are overwritten: uniform, or zipfian (0.99).")
  var skew = Skew.uniform

  @Option(help: "A directory on tmpfs for the region.")
  var directory = "/dev/shm"

  mutating func validate() throws {
    guard (8...1_000_000).contains(valueBytes) else { throw ValidationError("--value-bytes is to be 8 to 1,000,000.") }
    guard fill > 0, fill < 1 else { throw ValidationError("--fill is to be a share of one.") }
  }

  mutating func run() throws {
    forcePersistentMemory()
    let path = "\(directory)/barkv-bench.overwriting.\(ProcessInfo.processInfo.processIdentifier)"
    let store = try Store.create(at: StoreAddress(path: path), size: size, replacing: true)
    unsafe unlink(path)
    var value = valueWords(bytes: max(valueBytes, 16))
    func put(_ number: UInt64, version: UInt64) throws(StoreError) {
      value[0] = number
      value[1] = version
      let key = key(of: number)
      unsafe try store.put(value.span.bytes.extracting(first: max(valueBytes, 16)), for: key.span.bytes)
    }
    let isExtent = valueBytes >= 4096
    var count = 0
    let group = isExtent ? 16 : 1024
    while count % group != 0 || Double(store.statistics.liveBytes) < fill * Double(store.statistics.usableBytes) {
      try put(UInt64(count), version: 0)
      count += 1
    }
    let full = store.statistics
    print(
      "\(count) keys, \(full.liveBytes >> 20) MiB live of \(full.usableBytes >> 20) MiB usable, "
        + "\(full.capacityBytes >> 20) MiB in segments; \(skew.rawValue)")
    print(
      "turn      puts/s   write amplification   of it: copies, index     gets, us: median   99.9 %  slowest"
        + "    puts, us: 99.9 %  slowest")
    var versions = [UInt32](repeating: 0, count: count)
    let record = isExtent ? 64 + (valueBytes + 4095) / 4096 * 4096 : (12 + 16 + max(valueBytes, 16) + 63) / 64 * 64
    let perTurn = Int(full.capacityBytes) / record
    var zipfian = skew == .zipfian ? ZipfianNumbers(below: count, theta: 0.99, seed: 1) : nil
    var random: UInt64 = 1
    let reader = Reader(store, keys: count)
    var speeds: [Double] = []
    for turn in 1...turns {
      let before = store.statistics
      var putting = LatencyHistogram()
      let begun = now()
      var last = begun
      for _ in 0..<perTurn {
        random &+= 1
        let number = zipfian?.next() ?? crl_mix(random) % UInt64(count)
        versions[Int(number)] &+= 1
        try put(number, version: UInt64(versions[Int(number)]))
        let next = now()
        putting.add(next - last)
        last = next
      }
      let seconds = Double(now() - begun) / 1e9
      let after = store.statistics
      let written = Double(perTurn * record)
      let copied = Double(after.copiedBytes - before.copiedBytes) / written
      let index = Double(after.runBytesWritten - before.runBytesWritten) / written
      speeds.append(Double(perTurn) / seconds)
      let latencies = reader.take()
      print(
        String(
          format: "%4d %11.0f %21.2f %14.2f %7.2f %20.2f %8.2f %8.1f %19.1f %8.1f", turn, speeds[turn - 1],
          1 + copied + index,
          copied,
          index, Double(latencies.quantile(0.5)) / 1e3, Double(latencies.quantile(0.999)) / 1e3,
          Double(latencies.longest) / 1e3, Double(putting.quantile(0.999)) / 1e3, Double(putting.longest) / 1e3))
    }
    try reader.stop()
    print(String(format: "speed of the last turn: %.2f of the first's", (speeds.last ?? 0) / (speeds.first ?? 1)))
    for number in 0..<count {
      let key = key(of: UInt64(number))
      let version = try unsafe store.withValue(of: key.span.bytes) {
        unsafe $0.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self)
      }
      guard version == UInt64(versions[number]) else {
        throw BenchError.wrongAnswer(
          subject: .barkv, work: .overwrite, expected: UInt64(versions[number]), found: version ?? .max)
      }
    }
    print("all \(count) keys have their last version")
    try fillUp(put: { (number) throws(StoreError) in try put(number, version: 0) }, store: store, from: count)
    try store.close()
  }

  private func fillUp(put: (UInt64) throws(StoreError) -> Void, store: Store, from count: Int) throws {
    var next = UInt64(count)
    while true {
      do throws(StoreError) { try put(next) } catch {
        guard error == .full else { throw error }
        break
      }
      next += 1
    }
    print("full at \(store.statistics.liveBytes >> 20) MiB live: \(StoreError.full)")
    let first = key(of: 0)
    guard try unsafe store.delete(first.span.bytes) else {
      throw BenchError.wrongAnswer(subject: .barkv, work: .delete, expected: 1, found: 0)
    }
    print("a delete works")
    var deleted: UInt64 = 1
    while true {
      do throws(StoreError) {
        try put(next)
        break
      } catch {
        guard error == .full, deleted < UInt64(count / 2) else { throw error }
        for _ in 0..<1000 {
          let another = key(of: deleted)
          _ = try unsafe store.delete(another.span.bytes)
          deleted += 1
        }
      }
    }
    print("a put works after \(deleted) deletes")
  }
}

/// A thread that gets one key after the other, and how long each took.
private final class Reader: Sendable {
  private struct State: Sendable {
    var latencies = LatencyHistogram()
    var failure: String?
  }
  private let state = Mutex(State())
  private let isStopped = Atomic<Bool>(false)
  private let done = DispatchSemaphore(value: 0)

  init(_ store: Store, keys: Int) {
    let thread = Thread { [self] in
      var random: UInt64 = 99
      while !isStopped.load(ordering: .relaxed) {
        var latencies = LatencyHistogram()
        do {
          for _ in 0..<10_000 {
            random &+= 1
            let number = crl_mix(random) % UInt64(keys)
            let begun = now()
            let key = key(of: number)
            let found = try unsafe store.withValue(of: key.span.bytes) {
              unsafe $0.unsafeLoadUnaligned(as: UInt64.self)
            }
            latencies.add(now() - begun)
            if found != number {
              throw BenchError.wrongAnswer(subject: .barkv, work: .get, expected: number, found: found ?? .max)
            }
          }
        } catch {
          state.withLock { $0.failure = "\(error)" }
          break
        }
        state.withLock { $0.latencies.add(latencies) }
      }
      done.signal()
    }
    thread.start()
  }

  /// What was measured since the last time.
  func take() -> LatencyHistogram {
    state.withLock { state in
      defer { state.latencies = LatencyHistogram() }
      return state.latencies
    }
  }

  /// - Throws: what went wrong.
  func stop() throws {
    isStopped.store(true, ordering: .relaxed)
    done.wait()
    if let failure = state.withLock({ $0.failure }) { throw BenchError.kvcli("a get: \(failure)") }
  }
}
