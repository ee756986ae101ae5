@testable import BarKV

/// A medium as a power cut finds it: the bytes that are durable, and the units that may or may not be.
struct CrashImage {
  let model: PersistenceModel
  /// What is durable.
  let base: ImageBuffer
  /// A hash of ``base``, which changes with it unit by unit.
  private(set) var baseHash: UInt64 = 0
  /// What is stored and not durable, in the order of tickets.
  private(set) var units: [PendingUnit] = []
  /// Changes whenever the states that a cut may leave change.
  private(set) var version = 0
  /// How many pending units each place has.
  private var pendingAt: [UInt16]
  /// How many fences each thread has made.
  private var fences: [Int: Int] = [:]

  var granule: Int { model.granule }

  /// A medium on which all of `base` is durable. The buffer belongs to the image from now on.
  init(model: PersistenceModel, base: ImageBuffer) {
    self.model = model
    self.base = base
    pendingAt = Array(repeating: 0, count: base.count / model.granule)
  }

  /// Enters an event.
  mutating func apply(_ event: MediumEvent, thread: Int) {
    model.rules.apply(event, thread: thread, to: &self)
    if case .fence = event { fences[thread, default: 0] += 1 }
  }

  // MARK: For the rules

  /// Adds what a store has brought.
  ///
  /// - Parameter isFenced: whether it has left its writer: what a device wrote is in nobody's write buffers.
  mutating func add(_ bytes: [UInt8], at offset: Int, thread: Int, isStreamed: Bool, isFenced: Bool = false) {
    let granule = granule
    var position = 0
    while position < bytes.count {
      var value: UInt64 = 0
      for index in (0..<granule).reversed() { value = value << 8 | UInt64(bytes[position + index]) }
      let place = (offset + position) / granule
      // A store of what is durable already, with nothing pending over it, makes no difference to any state.
      if pendingAt[place] > 0 || base.unit(at: offset + position, granule: granule) != value {
        pendingAt[place] += 1
        units.append(
          PendingUnit(
            offset: offset + position, value: value, thread: thread, isFenced: isFenced, isStreamed: isStreamed,
            group: fences[thread, default: 0]))
        version += 1
      }
      position += granule
    }
  }

  /// Changes the pending units.
  mutating func update(_ body: (inout PendingUnit) -> Void) {
    for index in units.indices { body(&units[index]) }
    version += 1
  }

  /// Makes durable the units that `isDurable` names, and what came before them at the same places.
  mutating func commit(where isDurable: (PendingUnit) -> Bool) {
    var kept: [PendingUnit] = []
    var committed: Set<Int> = []
    // From the back, so that a unit that a durable one has hidden is dropped.
    for unit in units.reversed() {
      if isDurable(unit) {
        let isHidden = !committed.insert(unit.offset).inserted
        if !isHidden { setBase(unit) }
        pendingAt[unit.offset / granule] -= 1
      } else if committed.contains(unit.offset) {
        pendingAt[unit.offset / granule] -= 1
      } else {
        kept.append(unit)
      }
    }
    guard kept.count < units.count else { return }
    kept.reverse()
    units = kept
    version += 1
  }

  private mutating func setBase(_ unit: PendingUnit) {
    let old = base.unit(at: unit.offset, granule: granule)
    baseHash &+= Self.mix(unit.offset, unit.value) &- Self.mix(unit.offset, old)
    base.setUnit(unit.value, at: unit.offset, granule: granule)
  }

  /// A number for a value at a place; their sum stands for an image. Zero bytes count for nothing.
  @inline(__always)
  static func mix(_ offset: Int, _ value: UInt64) -> UInt64 {
    guard value != 0 else { return 0 }
    var z = value &+ UInt64(truncatingIfNeeded: offset) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  // MARK: States

  /// Puts into `buffer` what a cut leaves if the units with `true` survive.
  ///
  /// - Parameter change: is told the line of each unit, and what it does to the image's hash.
  /// - Returns: the image's hash.
  @inline(__always)
  func write(_ survives: [Bool], to buffer: ImageBuffer, change: (Int, UInt64) -> Void) -> UInt64 {
    buffer.copy(from: base)
    var hash = baseHash
    for (number, unit) in units.enumerated() where survives[number] {
      let old = buffer.unit(at: unit.offset, granule: granule)
      let difference = Self.mix(unit.offset, unit.value) &- Self.mix(unit.offset, old)
      buffer.setUnit(unit.value, at: unit.offset, granule: granule)
      hash &+= difference
      change(number, difference)
    }
    return hash
  }

  /// The medium after the process is gone and nothing but the process: the units that survive are there for the next one
  /// to see, and as little durable as they were. They have left the processor, and wait in a cache or on a bus.
  func afterKill(_ survives: [Bool]) -> CrashImage {
    let copy = ImageBuffer(count: base.count)
    copy.copy(from: base)
    var image = CrashImage(model: model, base: copy)
    for (number, unit) in units.enumerated() where survives[number] {
      var left = unit
      left.isFenced = true
      left.isStreamed = false
      left.flushedBy = -1
      image.units.append(left)
      image.pendingAt[left.offset / granule] += 1
    }
    for unit in units { image.fences[unit.thread] = fences[unit.thread, default: 0] + 1 }
    return image
  }
}
