@testable import BarKV

/// A region: its size, its segments, how many keys are worked on, whether writers share barriers.
struct Shape: Sendable, Hashable {
  var size: Int
  var segment: Int?
  var keys: Int
  var sharesBarriers = false
  /// Whether the store keeps frontiers, as one of large segments does.
  var hasFrontiers = false
  /// The bytes of tail that opening reads at most: few make many checkpoints.
  var replay = 16 << 20

  /// Small ones more often: they are full sooner, and cheaper.
  private static let shapes: [(shape: Shape, weight: Int)] = [
    (Shape(size: 8 << 10, segment: 1 << 10, keys: 4), 4), (Shape(size: 8 << 10, segment: 1 << 10, keys: 8), 3),
    (Shape(size: 16 << 10, segment: 1 << 10, keys: 6), 4), (Shape(size: 16 << 10, segment: 2 << 10, keys: 12), 3),
    (Shape(size: 32 << 10, segment: 2 << 10, keys: 10), 2), (Shape(size: 64 << 10, segment: 4 << 10, keys: 12), 1),
    // An index of several runs, which is written anew, and one that is merged in parts: that takes many segments.
    (Shape(size: 48 << 10, segment: 1 << 10, keys: 70), 1), (Shape(size: 140 << 10, segment: 1 << 10, keys: 70), 1),
  ]

  /// With segments enough for two or three lanes; in the last, threads share one.
  private static let lanedShapes: [(shape: Shape, weight: Int)] = [
    (Shape(size: 20 << 10, segment: 1 << 10, keys: 6), 3), (Shape(size: 28 << 10, segment: 1 << 10, keys: 6), 3),
    (Shape(size: 64 << 10, segment: 2 << 10, keys: 8), 1), (Shape(size: 12 << 10, segment: 1 << 10, keys: 4), 4),
  ]

  static func random(isConcurrent: Bool, using generator: inout SeededGenerator) -> Shape {
    let choice = isConcurrent ? lanedShapes : shapes
    var pick = Int.random(in: 0..<choice.reduce(0) { $0 + $1.weight }, using: &generator)
    var shape = choice[0].shape
    for (candidate, weight) in choice {
      shape = candidate
      pick -= weight
      if pick < 0 { break }
    }
    if Int.random(in: 0..<2, using: &generator) == 0 {
      shape.replay = [1 << 10, 2 << 10, 4 << 10].randomElement(using: &generator) ?? 1 << 10
    }
    shape.sharesBarriers = Int.random(in: 0..<(isConcurrent ? 2 : 6), using: &generator) == 0
    // Segments as small as these have a step of a line or two: a few records move the frontier.
    shape.hasFrontiers = Bool.random(using: &generator)
    return shape
  }

  var options: StoreOptions {
    var options = StoreOptions()
    options.segmentSize = segment
    // What is due is done by whoever makes it due, so that a run is the same each time.
    options.maintainsInBackground = false
    options.replayBytes = replay
    return options
  }

  /// The names of the keys: short ones, and one that makes a tombstone two lines long.
  var keyNames: [[UInt8]] {
    (0..<keys).map { number in
      let name = Array("key\(number)".utf8)
      return number == 3 ? name + Array(repeating: UInt8(ascii: "x"), count: 60) : name
    }
  }
}

/// What a run does, drawn from a seed before it starts, so that parts of it can be left out.
struct Workload: Sendable, Hashable {
  enum Phase: Sendable, Hashable {
    case alone([Operation])
    /// Each list is a thread's.
    case together([[Operation]])

    var count: Int {
      switch self {
      case .alone(let operations): operations.count
      case .together(let threads): threads.reduce(0) { $0 + $1.count }
      }
    }
  }

  var shape: Shape
  var phases: [Phase]

  var count: Int { phases.reduce(0) { $0 + $1.count } }
  var isConcurrent: Bool {
    phases.contains { if case .together = $0 { true } else { false } }
  }

  static func random(seed: UInt64) -> Workload {
    var generator = SeededGenerator(seed: seed)
    let isConcurrent = Int.random(in: 0..<3, using: &generator) == 0
    let shape = Shape.random(isConcurrent: isConcurrent, using: &generator)
    var source = OperationSource(shape: shape, generator: generator)
    var phases: [Phase] = []
    if isConcurrent {
      for _ in 0..<source.number(in: 1...2) {
        phases.append(.alone(source.operations(source.number(in: 0...6), isConcurrent: false)))
        let threads = source.number(in: 2...3)
        phases.append(
          .together((0..<threads).map { _ in source.operations(source.number(in: 2...6), isConcurrent: true) }))
        if source.chance(1, in: 2) { phases.append(.alone([source.chance(1, in: 2) ? .reopen : .restart])) }
      }
    } else {
      // Many keys are there from the beginning.
      if shape.keys > 40 { phases.append(.alone([source.batchOfAll(), .checkpoint])) }
      phases.append(.alone(source.operations(source.number(in: 5...40), isConcurrent: false)))
    }
    if source.chance(1, in: 2) { phases.append(.alone([.reopen])) }
    return Workload(shape: shape, phases: phases)
  }
}

/// Draws operations.
struct OperationSource {
  let shape: Shape
  var generator: SeededGenerator
  private let longest: Int
  private let threshold: Int
  /// Runs that put more than they delete fill the store; others turn it over.
  private let deletes: Int
  /// Of so many values, and one, two are long.
  private let shortValues: Int
  private var serial: UInt8 = 0

  init(shape: Shape, generator: SeededGenerator) {
    self.shape = shape
    self.generator = generator
    let geometry = try? Geometry(regionBytes: shape.size, segmentSize: shape.segment)
    longest = min(3000, geometry?.maximumValueLength ?? 0)
    threshold = geometry?.extentThreshold ?? 0
    deletes = Int.random(in: 1...6, using: &self.generator)
    shortValues = [3, 11, 11, 20].randomElement(using: &self.generator) ?? 11
  }

  mutating func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
  mutating func chance(_ count: Int, in all: Int) -> Bool { Int.random(in: 0..<all, using: &generator) < count }

  mutating func operations(_ count: Int, isConcurrent: Bool) -> [Operation] {
    var operations: [Operation] = []
    while operations.count < count {
      if !isConcurrent, chance(1, in: 10) {
        for _ in 0..<number(in: 1...(chance(1, in: 3) ? 14 : 4)) { operations.append(deferred()) }
        operations.append(chance(3, in: 4) ? .persist : write())
      } else if chance(1, in: 10) {
        operations.append(peer(isConcurrent))
      } else if isConcurrent, chance(2, in: 5) {
        operations.append(.read(key: key(isConcurrent)))
      } else if chance(1, in: isConcurrent ? 24 : 12) {
        operations.append(chance(1, in: 2) ? .checkpoint : .compact)
      } else if !isConcurrent, chance(1, in: 12) {
        operations.append(chance(1, in: 2) ? .reopen : .restart)
      } else {
        operations.append(write(isConcurrent: isConcurrent))
      }
    }
    return operations
  }

  /// A put of each key.
  mutating func batchOfAll() -> Operation {
    serial &+= 1
    return .batch((0..<shape.keys).map { Operation.Change(key: $0, value: [serial, UInt8($0), 0]) })
  }

  /// What devices do; threads use theirs up at once.
  private mutating func peer(_ isConcurrent: Bool) -> Operation {
    let seed = generator.next()
    var value = value()
    if value.isEmpty { value = [serial] }
    return switch isConcurrent ? 0 : number(in: 0...5) {
    case 0, 1: .peerPut(key: key(isConcurrent), value: value, seed: seed)
    case 2, 3: .peerReserve(key: key(false), value: value, seed: seed)
    default: .peerFinish(value: value, seed: seed, commits: chance(1, in: 2))
    }
  }

  /// Threads meet on few keys.
  private mutating func key(_ isConcurrent: Bool) -> Int {
    number(in: 0...(isConcurrent ? min(3, shape.keys) : shape.keys) - 1)
  }

  private mutating func deferred() -> Operation {
    chance(1, in: 4) ? .deferredDelete(key: key(false)) : .deferredPut(key: key(false), value: value())
  }

  mutating func write(isConcurrent: Bool = false) -> Operation {
    let kind = number(in: 0...11 + deletes)
    switch kind {
    case 0..<7: return .put(key: key(isConcurrent), value: value())
    case 7..<10:
      let most = isConcurrent ? 3 : chance(1, in: 4) ? 20 : 6
      return .batch(
        (0..<number(in: 1...most)).map { _ in
          Operation.Change(key: key(isConcurrent), value: chance(1, in: 4) ? nil : value())
        })
    case 10:
      return .compareAndSwap(
        key: key(isConcurrent), new: chance(1, in: 3) ? nil : value(), isStale: chance(1, in: 5))
    case 11: return isConcurrent ? .put(key: key(true), value: value()) : .read(key: key(false))
    default: return .delete(key: key(isConcurrent))
    }
  }

  /// Most values are short; some go to an extent. They are made of few patterns, so that records have units in common:
  /// that is what a torn record is completed by.
  mutating func value() -> [UInt8] {
    serial &+= 1
    let length =
      switch number(in: 0...shortValues) {
      case 0: number(in: 0...3)
      case 1: number(in: threshold - 1...max(threshold, longest))
      case 2: number(in: max(0, threshold - 3)...threshold + 70)
      default: number(in: 0...150)
      }
    let pattern = UInt8(number(in: 0...2)) &* 97
    let slope = chance(1, in: 2) ? UInt8(1) : 0
    var value = (0..<max(0, min(length, longest))).map { pattern &+ slope &* UInt8(truncatingIfNeeded: $0) }
    if !value.isEmpty, chance(3, in: 4) { value[number(in: 0...value.count - 1)] = serial }
    return value
  }
}
