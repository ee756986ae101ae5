@testable import BarKV

/// Opens an edited image, reads, writes, crashes, closes, opens again. Whatever is in it, nothing traps, hangs, or reads out
/// of bounds, every error is one that the call documents, a store that opens takes writes, and what it acknowledges is kept.
struct ImageExercise {
  /// What must not be.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let edits: EditList
  private let sample: SampleImage
  private let options: StoreOptions
  /// Whether every value must be one that was written: where no checksum was fixed, nor guessed by a fuzzer.
  private let checksValues: Bool
  private var generator: SeededGenerator
  private var history: [[UInt8]: Set<[UInt8]>]

  /// - Parameter trustsChecksums: `false` where the edits come from a fuzzer, which finds right checksums by looking at what
  ///   they are compared with.
  init(_ edits: EditList, trustsChecksums: Bool) {
    self.edits = edits
    sample = edits.sample
    var options = StoreOptions()
    checksValues = trustsChecksums && !edits.fixesChecksums
    // An extent's checksum is looked at where reads verify, and nowhere else.
    options.verifiesReads = edits.verifiesReads || checksValues
    options.maximumLanes = edits.hasOneLane ? 1 : 16
    self.options = options
    generator = SeededGenerator(
      seed: edits.bytes.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 })
    history = sample.history
  }

  /// Whether the image could be opened for writing.
  mutating func run() throws -> Bool {
    let image = edits.image()
    let region = Region(image: image)
    if let reader = try opened({ () throws(StoreError) in try region.open(access: .readOnly, options: options) }) {
      try look(at: reader)
      try reader.close()
    }
    try check(region.image == image, "a reader wrote")
    guard let store = try opened({ () throws(StoreError) in try region.open(options: options) }) else {
      try check(region.image == image, "an open that failed wrote")
      return false
    }
    try look(at: store)
    // Malice may leave it one more open for writing, or none.
    let hasNumbersLeft =
      store.log.ownerEpoch < UInt64(UInt32.max) - 2 && store.log.sequence < 1 << 61
      && (store.maintenance.turn.withLock({ $0.manifest })?.commit ?? 0) < 1 << 61
    guard hasNumbersLeft else { return true }
    let written = try write(to: store)
    try expect(store, holds: written, "before a crash")
    try expect(region.copy().open(options: options), holds: written, "after a crash")
    let before = try? contents(store)
    // Full: what is deferred and has no room is given up by a close, which says so.
    _ = try isDone { try store.close() }
    let again = try region.open(options: options)
    try expect(again, holds: written, "after a close")
    try look(at: again)
    if checksValues, let before, let after = try? contents(again) {
      try check(before == after, "a close changed \(before.count) entries to \(after.count)")
    }
    return true
  }

  private func check(_ holds: Bool, _ what: @autoclosure () -> String) throws {
    if !holds { throw Failure(description: what()) }
  }

  /// The store, or nothing where it is refused for a reason that is in the image.
  private func opened(_ open: () throws(StoreError) -> Store) throws -> Store? {
    do throws(StoreError) {
      return try open()
    } catch {
      switch error {
      case .notAStore, .wrongByteOrder, .unsupportedVersion, .unsupportedFeatures, .sizeMismatch, .corrupt: return nil
      default: throw Failure(description: "opening: \(error)")
      }
    }
  }

  private func contents(_ store: Store) throws(StoreError) -> Contents {
    var found: Contents = [:]
    try store.forEach { (key: RawSpan, value: RawSpan) -> Void in found[array(key)] = array(value) }
    return found
  }

  /// Reads everything, by every way.
  private func look(at store: Store) throws {
    for (key, values) in history {
      guard let found = try read({ () throws(StoreError) in try store.get(key) }) else { continue }
      if let bytes = found {
        try check(!checksValues || values.contains(bytes), "\(key) has a value that was never written")
      }
      let isPresent = try read { () throws(StoreError) in try store.contains(key) }
      try check(isPresent == (found != nil), "get and contains differ about \(key)")
    }
    _ = try read { () throws(StoreError) in
      try store.forEach { (_: RawSpan, value: RawSpan) -> Void in _ = array(value).last }
    }
    let statistics = store.statistics
    try check(
      statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes
        && statistics.keyCount >= 0, "\(statistics)")
    _ = try store.verify()
    for info in store.reservations {
      try check(
        info.reservation.pieces(ofAtMost: 4096).reduce(0) { $0 + $1.length } == info.reservation.length, "pieces")
    }
  }

  /// What a read gives; nothing where the record is damaged, or the key too long for the geometry that the image claims.
  private func read<R>(_ body: () throws(StoreError) -> R) throws -> R? {
    do throws(StoreError) {
      return try body()
    } catch {
      switch error {
      case .damagedRecord, .invalidKeyLength: return nil
      default: throw Failure(description: "reading: \(error)")
      }
    }
  }

  /// Writes in every way; what was acknowledged is in the result, `nil` for what was deleted.
  private mutating func write(to store: Store) throws -> [[UInt8]: [UInt8]?] {
    var written: [[UInt8]: [UInt8]?] = [:]
    for info in store.reservations { _ = try isDone { try store.abandon(info.reservation.token) } }
    for _ in 0..<6 {
      let key = generator.oneIn(2) ? key(generator.below(50)) : Array("fuzz \(generator.below(4))".utf8)
      let longest = store.limits.maximumValueLength
      let bytes = generator.bytes(min(longest, generator.oneIn(4) ? generator.below(2000) : generator.below(100)))
      history[key, default: []].insert(bytes)
      switch generator.below(5) {
      case 0:
        if try isDone({ try store.delete(key) }) { written[key] = .some(nil) }
      case 1:
        var batch = Batch()
        batch.put(bytes, for: key)
        batch.delete(Array("fuzz 9".utf8))
        batch.put("batch", for: "fuzz 8")
        history[Array("fuzz 8".utf8), default: []].insert(Array("batch".utf8))
        if try isDone({ try store.write(batch) }) {
          written[key] = .some(bytes)
          written[Array("fuzz 8".utf8)] = .some(Array("batch".utf8))
        }
      case 2:
        // The old value may not be readable.
        let error = storeError { _ = try store.compareAndSwap(key, expected: bytes, new: bytes) }
        if let error, error != .full {
          guard case .damagedRecord = error else { throw Failure(description: "comparing: \(error)") }
        }
      case 3:
        let isPersisted = try isDone {
          try store.put(bytes, for: key, durability: .deferred)
          try store.persist()
        }
        // What a full store did not take stays deferred, and every later write is refused with it.
        guard isPersisted else { return written }
        written[key] = .some(bytes)
      default:
        if try isDone({ try store.put(bytes, for: key) }) { written[key] = .some(bytes) }
      }
    }
    return written
  }

  private func expect(_ store: Store, holds written: [[UInt8]: [UInt8]?], _ moment: String) throws {
    for (key, value) in written {
      try check(store.get(key) == value, "what was acknowledged is not there \(moment)")
    }
  }
}
