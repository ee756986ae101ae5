import Synchronization
import Testing

@testable import BarKV

/// Opens images that were changed at random and uses them. Whatever is in them, nothing traps or hangs, every error is a
/// `StoreError`, and what the checksums can tell is told.
///
/// A trap ends the process without a word about its case: `BARKV_SEED` of the printed seed and those that follow it
/// replay the cases one by one.
@Suite struct FuzzTests {
  static var caseCount: Int {
    #if DEBUG
      1_000
    #else
      10_000
    #endif
  }

  /// A base image with what was ever in it.
  private struct Base: Sendable {
    var image: [UInt8]
    var map: Image.Map
    var history: [String: Set<[UInt8]>]
  }

  private struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  private func bases() throws -> [Base] {
    let shapes = [
      SampleStore.Shape(),
      SampleStore.Shape(extents: [1500, 1100, 9000, 1024]),
      // Batches over several segments.
      SampleStore.Shape(segment: 1 << 10, keys: 8, extents: [300], batch: 40),
      SampleStore.Shape(size: 8 << 10, segment: nil, keys: 6, extents: [], batch: 3),
      SampleStore.Shape(size: 16 << 10, segment: 1 << 10, keys: 6, extents: [900], batch: 12),
    ]
    return try shapes.enumerated().flatMap { number, shape in
      let sample = try SampleStore(shape, seed: UInt64(number))
      return try [sample.closed, sample.unclosed].map {
        Base(image: $0, map: try Image.Map($0), history: sample.history)
      }
    }
  }

  @Test func changedImagesAreRefusedOrServed() throws {
    let bases = try bases()
    let cases = seeds(Self.caseCount)
    print("fuzzing \(cases.count) images from BARKV_SEED=\(cases[0]) on")
    let opened = Atomic<Int>(0)
    inParallel(cases.count) { index in
      do {
        if try run(bases, seed: cases[index]) { opened.add(1, ordering: .relaxed) }
      } catch {
        Issue.record("BARKV_SEED=\(cases[index]): \(error)")
      }
    }
    print("opened: \(opened.load(ordering: .relaxed))")
    if cases.count > 1 { #expect(opened.load(ordering: .relaxed) > cases.count / 4) }
  }

  /// One case; whether the image was opened.
  private func run(_ bases: [Base], seed: UInt64) throws -> Bool {
    var generator = SeededGenerator(seed: seed)
    var base = bases[Int.random(in: 0..<bases.count, using: &generator)]
    let isHonest = Bool.random(using: &generator)
    let access: Access = Int.random(in: 0..<4, using: &generator) == 0 ? .readOnly : .readWrite
    let verifiesReads = isHonest || Bool.random(using: &generator)
    var mutator = ImageMutator(base.image, map: base.map, generator: SeededGenerator(seed: generator.next()))
    mutator.mutate()
    if !isHonest { mutator.fixChecksums() }
    let image = mutator.image
    let keeper = ImageKeeper(image)
    let store: Store
    do throws(StoreError) {
      store = try Image.open(image, access: access, verifiesReads: verifiesReads, keeper: keeper)
    } catch {
      guard keeper.bytes == image || access == .readWrite else { throw Failure(description: "a refusal wrote") }
      return false
    }
    try read(store, base, isHonest: isHonest)
    if access == .readWrite { write(store, &base.history, using: &generator) }
    let before = try? store.contents()
    do { try store.close() } catch { return true }
    if access == .readOnly {
      guard keeper.bytes == image else { throw Failure(description: "a read-only store wrote") }
      return true
    }
    let again: Store
    do throws(StoreError) {
      again = try Image.open(keeper.bytes, access: .readWrite, verifiesReads: verifiesReads)
    } catch {
      throw Failure(description: "what was opened and closed does not open again: \(error)")
    }
    try read(again, base, isHonest: isHonest)
    if isHonest, let before, let after = try? again.contents(), after != before {
      throw Failure(description: "a close changed \(before.count) entries to \(after.count)")
    }
    try? again.close()
    return true
  }

  /// Looks at everything. Without a fixed checksum no value shows that was never written.
  private func read(_ store: Store, _ base: Base, isHonest: Bool) throws {
    do throws(StoreError) { _ = try store.contents() } catch { try checkReadError(error) }
    for (key, values) in base.history {
      do {
        let found = try store.get(key)
        guard try store.contains(key) == (found != nil) else { throw Failure(description: "\(key): get, contains") }
        if isHonest, let found, !values.contains(found) {
          throw Failure(description: "\(key) has a value never written")
        }
      } catch let error as StoreError {
        try checkReadError(error)
      }
    }
    let statistics = store.statistics
    guard statistics.liveBytes + statistics.deadBytes + statistics.freeBytes == statistics.capacityBytes else {
      throw Failure(description: "statistics: \(statistics)")
    }
    _ = try store.verify()
  }

  /// Reading a changed image fails for what is damaged, or for a key too long for this geometry; for nothing else.
  private func checkReadError(_ error: StoreError) throws {
    switch error {
    case .damagedRecord, .invalidKeyLength: break
    default: throw Failure(description: "reading: \(error)")
    }
  }

  /// A few writes; each may be refused.
  private func write(
    _ store: Store, _ history: inout [String: Set<[UInt8]>], using generator: inout SeededGenerator
  ) {
    func value(_ length: Int, for key: String) -> [UInt8] {
      let value = generator.bytes(length)
      history[key, default: []].insert(value)
      return value
    }
    for number in 0..<4 {
      let length = Int.random(in: 0..<200, using: &generator)
      try? store.put(value(length, for: "new/\(number)"), for: "new/\(number)")
    }
    try? store.put(value(1200, for: "extent/0"), for: "extent/0")
    try? store.put(value(20, for: "key/1"), for: "key/1", durability: .deferred)
    try? store.persist()
    for key in ["key/0", "batch/0", "extent/0", "new/1"] { _ = try? store.delete(key) }
    var batch = Batch()
    for key in (0..<5).map({ "key/\($0)" }) { batch.put(value(40, for: key), for: key) }
    batch.delete("key/2")
    try? store.write(batch)
  }
}
