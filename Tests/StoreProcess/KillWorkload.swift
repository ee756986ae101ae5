import BarKV

/// What the writers of a process that will be killed do: each step is decided by the round's seed, the thread and the
/// step's number, so that the test which reads what is left knows every step without being told.
struct KillWorkload: Sendable {
  static let threads = 4
  /// Keys that one thread alone writes, a thread.
  static let ownKeys = 24
  /// Keys that all threads write.
  static let sharedKeys = 8

  let seed: UInt64

  /// What a step does to a key: a new value, or `nil` for a delete.
  typealias Change = (key: [UInt8], value: [UInt8]?)

  /// What a thread does in one call.
  struct Step {
    /// Whether the changes are one batch; else there is one change.
    let isBatch: Bool
    let changes: [Change]

    /// What the step makes of each key: the last change to it counts.
    var effects: [[UInt8]: [UInt8]?] {
      var result: [[UInt8]: [UInt8]?] = [:]
      for change in changes { result[change.key] = .some(change.value) }
      return result
    }
  }

  /// The step of a thread.
  func step(_ number: Int, thread: Int) -> Step {
    var generator = Generator(seed: seed, thread: thread, number: number)
    switch generator.below(20) {
    case 0..<9: return Step(isBatch: false, changes: [put(ownKey(thread, &generator), 0, thread, number, &generator)])
    case 9..<12: return Step(isBatch: false, changes: [put(sharedKey(&generator), 0, thread, number, &generator)])
    case 12..<15: return Step(isBatch: false, changes: [(ownKey(thread, &generator), nil)])
    case 15: return Step(isBatch: false, changes: [(sharedKey(&generator), nil)])
    default:
      let count = 2 + generator.below(12)
      return Step(
        isBatch: true,
        changes: (0..<count).map { index in
          let key = generator.below(5) == 0 ? sharedKey(&generator) : ownKey(thread, &generator)
          return generator.below(3) == 0 ? (key, nil) : put(key, index, thread, number, &generator)
        })
    }
  }

  /// The keys that a thread alone writes.
  static func ownKeys(of thread: Int) -> [[UInt8]] {
    (0..<ownKeys).map { Array("own \(thread) \($0)".utf8) }
  }

  /// The keys that all threads write.
  static var allSharedKeys: [[UInt8]] {
    (0..<sharedKeys).map { Array("shared \($0)".utf8) }
  }

  private func ownKey(_ thread: Int, _ generator: inout Generator) -> [UInt8] {
    Array("own \(thread) \(generator.below(Self.ownKeys))".utf8)
  }

  private func sharedKey(_ generator: inout Generator) -> [UInt8] {
    Array("shared \(generator.below(Self.sharedKeys))".utf8)
  }

  /// A value that names its writer and cannot be mistaken for any other: round, thread, step, place in the batch, then
  /// bytes that follow from these.
  private func put(
    _ key: [UInt8], _ index: Int, _ thread: Int, _ number: Int, _ generator: inout Generator
  ) -> Change {
    var value: [UInt8] = []
    for part in [seed, UInt64(thread) << 48 | UInt64(index) << 32 | UInt64(number)] {
      unsafe withUnsafeBytes(of: part.littleEndian) { unsafe value.append(contentsOf: $0) }
    }
    // Mostly short; some go to an extent, a few over several segments.
    let length: Int
    switch generator.below(50) {
    case 0: length = 4096 + generator.below(12_000)
    case 1..<6: length = generator.below(3000)
    default: length = generator.below(200)
    }
    let pattern = generator.next()
    value.reserveCapacity(value.count + length)
    for position in 0..<length {
      value.append(UInt8(truncatingIfNeeded: (pattern >> ((UInt64(position) & 7) * 8)) &+ UInt64(position)))
    }
    return (key, value)
  }

  /// SplitMix64, started apart for each step.
  private struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64, thread: Int, number: Int) {
      state = seed &+ UInt64(thread) &* 0xD1B5_4A32_D192_ED03
      state = next() &+ UInt64(number) &* 0x2545_F491_4F6C_DD1D
    }

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
      return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int {
      Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }
  }
}

/// What a writer says about a step: eight bytes in the pipe, which are written at once.
struct KillMessage: Equatable {
  enum Phase: UInt8 {
    /// The step is about to begin.
    case begins = 1
    /// The step's call returned: it is durable.
    case acknowledged = 2
    /// The store was full: nothing was changed.
    case refused = 3
  }

  static let bytes = 8

  var phase: Phase
  var thread: Int
  var number: Int

  /// The message's bytes.
  var encoded: [UInt8] {
    [phase.rawValue, UInt8(thread), 0x4B, 0x4D] + (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  init(phase: Phase, thread: Int, number: Int) {
    self.phase = phase
    self.thread = thread
    self.number = number
  }

  /// The messages that a process wrote one after the other; half a one at the end counts for nothing.
  static func all(in bytes: [UInt8]) -> [KillMessage] {
    stride(from: 0, to: bytes.count - Self.bytes + 1, by: Self.bytes).compactMap {
      KillMessage(bytes[$0..<$0 + Self.bytes])
    }
  }

  /// Reads a message.
  init?(_ bytes: ArraySlice<UInt8>) {
    let bytes = Array(bytes)
    guard bytes.count == Self.bytes, let phase = Phase(rawValue: bytes[0]), bytes[2] == 0x4B, bytes[3] == 0x4D else {
      return nil
    }
    self.phase = phase
    thread = Int(bytes[1])
    number = (0..<4).reduce(0) { $0 | Int(bytes[4 + $1]) << ($1 * 8) }
  }
}
