/// The runs that are the index of everything before the last checkpoint. Never changes: a checkpoint makes another one.
///
/// Base runs cover all places one after the other, or there are none yet; delta runs lie over them.
final class RunSet: Sendable {
  private let medium: Medium
  /// The lines of the segments. A right checksum proves nothing about intent: an entry may name anything.
  private let lines: Range<Int>
  /// In the order of their ranges.
  let base: [Run]
  /// The newest first.
  let deltas: [Run]

  init(medium: Medium, geometry: Geometry, base: [Run], deltas: [Run]) {
    self.medium = medium
    let end = geometry.segmentOffset(geometry.segmentCount)
    lines = geometry.firstSegment / lineSize..<end / lineSize
    self.base = base
    self.deltas = deltas
  }

  var isEmpty: Bool { base.isEmpty && deltas.isEmpty }
  var entryCount: Int { (base + deltas).reduce(0) { $0 + $1.entryCount } }
  var byteCount: Int { (base + deltas).reduce(0) { $0 + $1.byteCount } }

  /// The slots at places from `range` that the index has, in their order.
  ///
  /// - Throws: ``StoreError/damagedIndex(offset:)``.
  /// - Complexity: the slots, and a few blocks a run.
  func slots(_ range: Range<UInt64>) throws(StoreError) -> [RunEntry] {
    guard !isEmpty else { return [] }
    guard !base.isEmpty else { return try slots(range, of: nil) }
    var result: [RunEntry] = []
    var position = firstBase(reaching: range.lowerBound)
    while position < base.count, base[position].start < range.upperBound {
      let part = try slots(base[position].reach.clamped(to: range), of: base[position])
      if result.isEmpty { result = part } else { result += part }
      position += 1
    }
    return result
  }

  /// The slots of a range inside one base run's.
  private func slots(_ range: Range<UInt64>, of base: Run?) throws(StoreError) -> [RunEntry] {
    guard !range.isEmpty else { return [] }
    var older: [RunEntry] = []
    if let base { try read(base, range, into: &older) }
    let changes = try changes(in: range, after: base?.number ?? 0)
    if changes.isEmpty { return older }
    return RunEntries.merge(newer: changes, older: older, dropsGone: true)
  }

  /// What the delta runs with numbers above `number` say about a range, the newest's word for each slot.
  func changes(in range: Range<UInt64>, after number: UInt64) throws(StoreError) -> [RunEntry] {
    var all: [RunEntry] = []
    var sources = 0
    for delta in Mutant.oldestRunWins.isActive ? deltas.reversed() : deltas
    where delta.number > number || Mutant.appliesAbsorbedRuns.isActive {
      let count = all.count
      try read(delta, range, into: &all)
      if all.count > count { sources += 1 }
    }
    guard sources > 1 else { return all }
    // The newest first, and that order kept among equals: of each slot the first entry counts.
    RunEntries.sortBySlot(&all)
    var kept = 1
    for position in 1..<all.count where !all[position].isSameSlot(all[kept - 1]) {
      all[kept] = all[position]
      kept += 1
    }
    all.removeLast(all.count - kept)
    return all
  }

  private func read(_ run: Run, _ range: Range<UInt64>, into entries: inout [RunEntry]) throws(StoreError) {
    if range.count == 1 {
      switch run.readAside(medium, lines: lines, at: range.lowerBound, into: &entries) {
      case .read: return
      case .damaged(let offset): throw .damagedIndex(offset: UInt64(offset))
      case .impossible: break
      }
    }
    let damage = unsafe run.read(
      medium.bytes, lines: lines, from: range.lowerBound, to: range.upperBound, into: &entries)
    if let damage { throw .damagedIndex(offset: UInt64(damage)) }
  }

  private func firstBase(reaching key: UInt64) -> Int {
    var low = 0
    var high = base.count
    while low < high {
      let middle = (low + high) / 2
      if base[middle].range.upperBound <= key { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
