import Synchronization
import Testing

@testable import BarKV

/// Runs workloads on a recorded medium, cuts the power at every barrier and after every acknowledgement, and judges what
/// recovery makes of what the cut may have left.
@Suite struct CrashStateTests {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// A region: its size, its segments, and how many keys are worked on.
  struct Shape: Sendable, CustomTestStringConvertible {
    var size: Int
    var segment: Int?
    var keys: Int
    var operations: Int
    var testDescription: String { "\(size) bytes, segments of \(segment ?? 0), \(keys) keys" }
  }

  /// Cases a shape. An unoptimised build is some fifteen times slower; `make test` runs both.
  static var caseCount: Int {
    #if DEBUG
      2
    #else
      4
    #endif
  }

  static let shapes = [
    Shape(size: 8 << 10, segment: 1 << 10, keys: 4, operations: 25),
    Shape(size: 16 << 10, segment: 1 << 10, keys: 6, operations: 40),
    Shape(size: 32 << 10, segment: 2 << 10, keys: 12, operations: 40),
    Shape(size: 64 << 10, segment: 4 << 10, keys: 20, operations: 40),
    Shape(size: 160 << 10, segment: nil, keys: 20, operations: 40),
  ]

  @Test(arguments: shapes) func everyCutLeavesWhatWasAcknowledged(_ shape: Shape) {
    let judged = Atomic<Int>(0)
    let cases = seeds(Self.caseCount)
    inParallel(cases.count) { index in
      do {
        judged.add(try run(shape, seed: cases[index]), ordering: .relaxed)
      } catch {
        Issue.record("BARKV_SEED=\(cases[index]): \(error)")
      }
    }
    print("crash states judged: \(judged.load(ordering: .relaxed)) (\(shape.testDescription), seed \(baseSeed))")
    #expect(judged.load(ordering: .relaxed) > 0)
  }

  /// One workload; how many states were judged.
  private func run(_ shape: Shape, seed: UInt64) throws -> Int {
    var generator = SeededGenerator(seed: seed)
    let recorder = EventRecorder()
    let blank = [UInt8](repeating: 0, count: shape.size)
    let medium = try Medium.memory(image: blank, domain: .cacheFlush, observer: recorder)
    var options = StoreOptions()
    options.segmentSize = shape.segment
    let geometry = try Geometry(regionBytes: shape.size, segmentSize: shape.segment)
    // The store's own random numbers too come from the seed.
    let superblock = Superblock(
      geometry: geometry, seed: generator.next(), identifier: (generator.next(), generator.next()), created: 0)
    var store = try Store.create(
      on: medium, geometry: geometry, path: "memory", options: options, superblock: superblock)

    var model = CrashModel(image: blank)
    var applied = 0
    var contents: Contents = [:]
    var states = 0
    // A cut during creation leaves no store, or an empty one; never one that cannot be told.
    for event in recorder.events {
      if case .barrier = event { states += try judgeCreation(model, using: &generator) }
      model.apply(event)
    }
    applied = recorder.count

    for _ in 0..<shape.operations {
      let operation = Operation.random(
        using: &generator, keys: shape.keys, contents: contents, longest: min(3000, store.limits.maximumValueLength))
      let outcomes = operation.outcomes(from: contents)
      let done: Bool
      if case .reopen = operation {
        // Closing unmaps the memory: what the region held is what the events made of it.
        try store.close()
        for event in recorder.events[applied...] {
          if case .barrier = event { states += try judge(model, allowed: [contents], shape, &generator) }
          model.apply(event)
        }
        applied = recorder.count
        let image = model.image { _ in true }
        let next = try Medium.memory(image: image, domain: .cacheFlush, observer: recorder)
        store = try Recovery.open(next, path: "memory", access: .readWrite, options: options)
        guard store.recovery.wasClosed, store.recovery.damageCount == 0 else {
          throw Failure(description: "after a close: \(store.recovery)")
        }
        guard try store.contents() == contents else { throw Failure(description: "a close changed the contents") }
        done = true
      } else {
        done = try operation.perform(on: store, contents: contents)
      }
      for event in recorder.events[applied...] {
        // The harshest moment: just before each barrier.
        if case .barrier = event { states += try judge(model, allowed: outcomes, shape, &generator) }
        model.apply(event)
      }
      applied = recorder.count
      if done { contents = outcomes[outcomes.count - 1] }
      if case .deferred = operation, !done {
        // What could not be persisted stays deferred; this workload ends here.
        break
      }
      guard try store.contents() == contents else { throw Failure(description: "wrong contents after \(operation)") }
      // Acknowledged, and the power goes: nothing is left to chance but what was never acknowledged.
      states += try judge(model, allowed: [contents], shape, &generator)
    }
    // Whatever reached the region went through the recorder.
    guard unsafe Array(store.medium.bytes) == model.image({ _ in true }) else {
      throw Failure(description: "the events do not give the region's bytes")
    }
    let report = try store.verify()
    guard report.isSound else { throw Failure(description: "verify: \(report.damage)") }
    return states
  }

  private func judgeCreation(_ model: CrashModel, using generator: inout SeededGenerator) throws -> Int {
    let images = model.images(count: 4, using: &generator)
    for image in images {
      do {
        let store = try open(image)
        guard try store.contents().isEmpty else { throw Failure(description: "a new store with contents") }
      } catch let error as StoreError {
        guard case .notAStore = error else { throw Failure(description: "creation cut: \(error)") }
      }
    }
    return images.count
  }

  /// Opens what a cut leaves, compares it with what is allowed, goes on, cuts again.
  private func judge(
    _ model: CrashModel, allowed: [Contents], _ shape: Shape, _ generator: inout SeededGenerator
  ) throws -> Int {
    let images = model.images(count: 8, using: &generator)
    for image in images {
      let recorder = EventRecorder()
      let store = try open(image, recorder)
      let found = try store.contents()
      guard allowed.contains(found) else {
        throw Failure(
          description: "a cut left \(found.count) keys that no order explains; allowed \(allowed.map(\.count))")
      }
      guard store.recovery.damageCount == 0 else {
        throw Failure(
          description: "a cut looks like damage: \(store.recovery.damage); in flight: \(model.pendingLines)")
      }
      let report = try store.verify()
      guard report.isSound else { throw Failure(description: "verify after recovery: \(report.damage)") }
      // A cut in recovery: what it had decided may not change.
      var second = CrashModel(image: image)
      for event in recorder.events {
        if case .barrier = event {
          for again in second.images(count: 1, using: &generator).prefix(6) {
            let reopened = try open(again)
            guard try reopened.contents() == found else {
              throw Failure(description: "recovery cut, and changed its mind")
            }
          }
        }
        second.apply(event)
      }
      try goOn(store, recorder, found, second, shape, &generator)
    }
    return images.count
  }

  /// Writes on after recovery and cuts once more.
  private func goOn(
    _ store: Store, _ recorder: EventRecorder, _ found: Contents, _ model: CrashModel, _ shape: Shape,
    _ generator: inout SeededGenerator
  ) throws {
    var model = model
    var contents = found
    var applied = recorder.count
    for _ in 0..<2 {
      var operation = Operation.random(using: &generator, keys: shape.keys, contents: contents, longest: 300)
      if case .reopen = operation { operation = .put(Array("key0".utf8), [1, 2, 3]) }
      let outcomes = operation.outcomes(from: contents)
      let done = try operation.perform(on: store, contents: contents)
      for event in recorder.events[applied...] {
        if case .barrier = event {
          for image in model.images(count: 1, using: &generator).suffix(3) {
            let again = try open(image)
            guard again.recovery.damageCount == 0 else {
              throw Failure(
                description: "a second cut looks like damage: \(again.recovery.damage); first: \(store.recovery)")
            }
            guard try outcomes.contains(again.contents()) else {
              throw Failure(
                description:
                  "going on after a cut, then a cut in \(operation): \(again.recovery); in flight: \(model.pendingLines)"
              )
            }
          }
        }
        model.apply(event)
      }
      applied = recorder.count
      guard done else { return }
      contents = outcomes[outcomes.count - 1]
    }
    let again = try open(model.image { _ in false })
    guard try again.contents() == contents else { throw Failure(description: "going on after a cut lost something") }
  }

  private func open(_ image: [UInt8], _ recorder: EventRecorder? = nil) throws -> Store {
    let medium = try Medium.memory(image: image, domain: .cacheFlush, observer: recorder)
    do {
      return try Recovery.open(medium, path: "memory", access: .readWrite, options: StoreOptions())
    } catch {
      medium.unmap()
      throw error
    }
  }
}
