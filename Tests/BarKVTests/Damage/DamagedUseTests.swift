import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ten thousand damaged images, in half of them with checksums that are right again, so that what is senseless gets past
/// the checksums: opened, read, written to, crashed, closed, opened again. Whatever is in them, nothing traps, hangs, or
/// reads out of bounds, a store that opens takes writes, and what it acknowledges is kept.
@Suite struct DamagedUseTests {
  static let count = 10_000
  private static let samples = [SampleImage.closed, .open, .mostlyExtents]

  @Test func mutatedImages() throws {
    let base = Seeds.rounds(1)[0]
    Seeds.announce(base)
    let watch = Watch()
    try Threads.forEach(Self.count) { number in
      let seed = base &+ UInt64(number)
      watch.begins(seed)
      defer { watch.ends(seed) }
      try Self.run(seed: seed)
    }
    watch.stop()
  }

  private static func run(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let sample = samples[generator.below(samples.count)]
    var editor = ImageEditor(sample.bytes)
    for _ in 0...generator.below(3) { Mutation.apply(to: &editor, using: &generator) }
    if generator.oneIn(2) { editor.fixChecksums() }
    var options = StoreOptions()
    options.verifiesReads = generator.oneIn(2)
    options.maximumLanes = generator.oneIn(2) ? 1 : 16

    // A region's size is a multiple of 64 in memory; files of other sizes are tested apart.
    let region = Region(image: editor.bytes)
    let before = region.image
    if let reader = opened({ () throws(StoreError) in try region.open(access: .readOnly, options: options) }) {
      try look(at: reader, sample: sample)
      try reader.close()
      #expect(region.image == before, "seed \(seed): a reader wrote")
    }
    guard let store = opened({ () throws(StoreError) in try region.open(options: options) }) else {
      #expect(region.image == before, "seed \(seed): an open that failed wrote")
      return
    }
    try look(at: store, sample: sample)
    // Malice may leave it one more open for writing, or none.
    let hasNumbersLeft =
      store.log.ownerEpoch < UInt64(UInt32.max) - 2 && store.log.sequence.load(ordering: .relaxed) < 1 << 61
      && (store.ownership?.commit ?? 0) < 1 << 61
    guard hasNumbersLeft else { return }
    let written = try write(to: store, using: &generator)
    try expect(store, holds: written, seed)
    if generator.oneIn(2) {
      // A crash.
      try expect(region.copy().open(options: options), holds: written, seed)
    }
    try store.close()
    let again = try region.open(options: options)
    try expect(again, holds: written, seed)
    try look(at: again, sample: sample)
  }

  /// The store, or nothing where it is refused.
  private static func opened(_ open: () throws(StoreError) -> Store) -> Store? {
    do throws(StoreError) { return try open() } catch { return nil }
  }

  /// Reads everything, by every way.
  private static func look(at store: Store, sample: SampleImage) throws {
    for key in sample.contents.keys { _ = storeError { _ = try store.get(key) } }
    for key in SampleImage.deletedKeys { _ = storeError { _ = try store.contains(key) } }
    _ = storeError { try store.forEach { (_: RawSpan, value: RawSpan) -> Void in _ = array(value).last } }
    let statistics = store.statistics
    #expect(statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes)
    #expect(statistics.keyCount >= 0)
    _ = try store.verify()
  }

  /// Writes in every way; what was acknowledged is in the result, `nil` for what was deleted.
  private static func write(to store: Store, using generator: inout SeededGenerator) throws -> [[UInt8]: [UInt8]?] {
    var written: [[UInt8]: [UInt8]?] = [:]
    for _ in 0..<6 {
      let key = generator.oneIn(2) ? key(generator.below(50)) : Array("fuzz \(generator.below(4))".utf8)
      let bytes = generator.bytes(generator.oneIn(4) ? generator.below(2000) : generator.below(100))
      switch generator.below(4) {
      case 0:
        if try isDone({ try store.delete(key) }) { written[key] = .some(nil) }
      case 1:
        var batch = Batch()
        batch.put(bytes, for: key)
        batch.delete(Array("fuzz 9".utf8))
        batch.put("batch", for: "fuzz 8")
        if try isDone({ try store.write(batch) }) {
          written[key] = .some(bytes)
          written[Array("fuzz 8".utf8)] = .some(Array("batch".utf8))
        }
      case 2:
        // The old value may not be readable.
        let error = storeError { _ = try store.compareAndSwap(key, expected: bytes, new: bytes) }
        if let error, error != .full, case .damagedRecord = error {} else { #expect(error == nil || error == .full) }
      default:
        if try isDone({ try store.put(bytes, for: key) }) { written[key] = .some(bytes) }
      }
    }
    return written
  }

  private static func expect(_ store: Store, holds written: [[UInt8]: [UInt8]?], _ seed: UInt64) throws {
    for (key, value) in written {
      let found = try store.get(key)
      #expect(found == value, "seed \(seed): what was acknowledged is not there")
    }
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
