import Synchronization
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Images that failed, or that somebody made who means harm: `make fuzz` looks for such; here are the ones that it kept, and
/// ten thousand that chance makes. See ``EditList`` and ``ImageExercise``.
@Suite struct MaliciousImageTests {
  static let count = 10_000

  /// The corpus of `make fuzz`: each input reaches code that the others do not.
  @Test func theCorpus() throws {
    let folder = String(#filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()) + "/Fuzz/Corpus"
    let names = try Self.names(folder)
    try #require(names.count >= 100, "the corpus is not at \(folder)")
    try Threads.forEach(names.count) { number in
      var exercise = try ImageExercise(
        EditList(Files.read("\(folder)/\(names[number])")), trustsChecksums: false)
      do {
        _ = try exercise.run()
      } catch {
        Issue.record("Fuzz/Corpus/\(names[number]): \(error)")
      }
    }
  }

  @Test func randomEdits() throws {
    let seeds = Seeds.rounds(Self.count)
    Seeds.announce(seeds[0])
    let watch = Watch()
    let opened = Atomic<Int>(0)
    try Threads.forEach(seeds.count) { number in
      watch.begins(seeds[number])
      defer { watch.ends(seeds[number]) }
      var generator = SeededGenerator(seed: seeds[number])
      var exercise = ImageExercise(EditList.random(using: &generator), trustsChecksums: true)
      do {
        if try exercise.run() { opened.add(1, ordering: .relaxed) }
      } catch {
        Issue.record("BARKV_SEED=\(seeds[number]): \(error)")
      }
    }
    watch.stop()
    // Else the edits would only be refused.
    if seeds.count > 1 { #expect(opened.load(ordering: .relaxed) > seeds.count / 2) }
  }

  private static func names(_ folder: String) throws -> [String] {
    guard let directory = unsafe opendir(folder) else { throw Files.Failure(description: "\(folder) cannot be read") }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }
}

/// Says which image is at work when one takes as long as only a hang does.
private final class Watch: Sendable {
  private let state = Locked((running: [UInt64: UInt64](), isStopped: false))

  init() {
    let thread = unsafe Unmanaged.passRetained(self)
    var handle = pthread_t()
    let code = unsafe pthread_create(
      &handle, nil,
      { context in
        guard let context = unsafe context else { return nil }
        unsafe Unmanaged<Watch>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, thread.toOpaque())
    if code == 0 { pthread_detach(handle) } else { unsafe thread.release() }
  }

  func begins(_ seed: UInt64) {
    let now = monotonicNanoseconds()
    state.withLock { $0.running[seed] = now }
  }

  func ends(_ seed: UInt64) {
    _ = state.withLock { $0.running.removeValue(forKey: seed) }
  }

  func stop() {
    state.withLock { $0.isStopped = true }
  }

  private func run() {
    while !state.withLock({ $0.isStopped }) {
      sleep(1)
      let now = monotonicNanoseconds()
      let late = state.withLock { $0.running.first { now > $0.value + 120_000_000_000 } }
      // Nothing else can end a test that hangs in a call.
      if let late { fatalError("an image has been at work for two minutes: BARKV_SEED=\(late.key)") }
    }
  }
}
