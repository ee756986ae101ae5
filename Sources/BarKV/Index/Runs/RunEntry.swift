/// One entry of a run: a slot that the index has, or one that it has no longer.
///
/// A line holds the start of one record at a time, and is used again only after a run that says that its slot is gone has
/// been committed. So a slot is named by its place and line alone, and the newest run that names it is right: merging runs
/// compares numbers, and reads no record.
struct RunEntry: Equatable, Sendable {
  /// The slot's place in the order of the hash: partition above, fragment in the low 24 bits. Below 2^40.
  var key: UInt64
  /// The record's line, times two; the lowest bit says that the slot is gone.
  var state: UInt64

  /// Places are below.
  static let keyLimit: UInt64 = 1 << 40

  @inline(__always)
  init(key: UInt64, state: UInt64) {
    self.key = key
    self.state = state
  }

  @inline(__always)
  init(_ place: Index.Place, line: Int, isGone: Bool) {
    key = Self.key(place)
    state = UInt64(truncatingIfNeeded: line) << 1 | (isGone ? 1 : 0)
  }

  @inline(__always)
  static func key(_ place: Index.Place) -> UInt64 {
    UInt64(truncatingIfNeeded: place.partition) << IndexSlot.fragmentBits | place.fragment
  }

  @inline(__always)
  var line: Int { Int(truncatingIfNeeded: state >> 1) }
  @inline(__always)
  var isGone: Bool { state & 1 == 1 }
  @inline(__always)
  var partition: Int { Int(truncatingIfNeeded: key >> IndexSlot.fragmentBits) }
  @inline(__always)
  var fragment: UInt64 { key & (1 << IndexSlot.fragmentBits - 1) }
  @inline(__always)
  var slot: IndexSlot { IndexSlot(fragment: fragment, line: line) }

  /// Whether this one comes first, by place and then by line.
  @inline(__always)
  func precedes(_ other: RunEntry) -> Bool {
    key != other.key ? key < other.key : state < other.state
  }

  /// Whether its slot comes first, whatever each says of it.
  @inline(__always)
  func precedesSlot(_ other: RunEntry) -> Bool {
    key != other.key ? key < other.key : state >> 1 < other.state >> 1
  }

  @inline(__always)
  func isSameSlot(_ other: RunEntry) -> Bool {
    key == other.key && state >> 1 == other.state >> 1
  }
}

/// Sorting and merging of entries.
enum RunEntries {
  /// Sorts by place, line, and what is gone last.
  ///
  /// - Complexity: linear for places that are spread as hashes are.
  static func sort(_ entries: inout [RunEntry]) { deal(&entries) { $0.precedes($1) } }

  /// Sorts by slot; entries of one slot stay in the order they came in.
  ///
  /// - Complexity: linear for places that are spread as hashes are.
  static func sortBySlot(_ entries: inout [RunEntry]) { deal(&entries) { $0.precedesSlot($1) } }

  /// Deals the entries into buckets by place, a few each, and sorts these one by one. Stable.
  @inline(__always)
  private static func deal(_ entries: inout [RunEntry], _ precedes: (RunEntry, RunEntry) -> Bool) {
    var least = UInt64.max
    var most: UInt64 = 0
    for entry in entries { (least, most) = (min(least, entry.key), max(most, entry.key)) }
    guard entries.count > 64, most > least else { return entries.sort(by: precedes) }
    var bits = 1
    while 1 << bits < entries.count / 8, bits < 16 { bits += 1 }
    let width = UInt64.bitWidth - (most - least).leadingZeroBitCount
    let shift = UInt64(max(0, width - bits))
    // First how many entries each bucket has, then where its next one goes: at last that is where it ends.
    var ends = [Int](repeating: 0, count: Int((most - least) >> shift) + 2)
    for entry in entries { ends[Int((entry.key - least) >> shift) + 1] += 1 }
    for bucket in 1..<ends.count { ends[bucket] += ends[bucket - 1] }
    var dealt = [RunEntry](repeating: RunEntry(key: 0, state: 0), count: entries.count)
    for entry in entries {
      let bucket = Int((entry.key - least) >> shift)
      dealt[ends[bucket]] = entry
      ends[bucket] += 1
    }
    var start = 0
    for bucket in 0..<ends.count - 1 {
      let end = ends[bucket]
      if end - start > longestInserted {
        // Places that are not spread: the same few keys again and again.
        dealt[start..<end].sort(by: precedes)
      } else if end - start > 1 {
        insert(&dealt, start..<end, precedes)
      }
      start = end
    }
    entries = dealt
  }

  private static var longestInserted: Int { 32 }

  /// Sorts a few entries by insertion: they mostly stand in their order, or nearly.
  @inline(__always)
  private static func insert(
    _ entries: inout [RunEntry], _ range: Range<Int>, _ precedes: (RunEntry, RunEntry) -> Bool
  ) {
    for position in range.dropFirst() {
      let entry = entries[position]
      var hole = position
      while hole > range.lowerBound, precedes(entry, entries[hole - 1]) {
        entries[hole] = entries[hole - 1]
        hole -= 1
      }
      entries[hole] = entry
    }
  }

  /// What all changes between two cuts come to: sorted, each slot once. A slot that came and went in between is neither.
  ///
  /// No line is used again before the next cut, so a slot that is there and gone came first and then went.
  static func settle(_ changes: inout [RunEntry]) {
    sort(&changes)
    var kept = 0
    var index = 0
    while index < changes.count {
      let entry = changes[index]
      var next = index + 1
      var came = !entry.isGone
      var went = entry.isGone
      while next < changes.count, changes[next].isSameSlot(entry) {
        came = came || !changes[next].isGone
        went = went || changes[next].isGone
        next += 1
      }
      if came != went {
        changes[kept] = RunEntry(key: entry.key, state: entry.state & ~1 | (went ? 1 : 0))
        kept += 1
      }
      index = next
    }
    changes.removeLast(changes.count - kept)
  }

  /// The same by several threads, each of which takes the places between two others.
  static func settle(_ changes: inout [RunEntry], threads: Int) {
    guard threads > 1, changes.count >= leastShared, let most = changes.lazy.map(\.key).max() else {
      return settle(&changes)
    }
    let width = most / UInt64(threads) + 1
    let parts = parallelMap(threads, least: 2, threads: threads) { [changes] number in
      let places = UInt64(number) * width..<UInt64(number + 1) * width
      var part: [RunEntry] = []
      part.reserveCapacity(changes.count / threads * 5 / 4)
      for change in changes where places.contains(change.key) { part.append(change) }
      settle(&part)
      return part
    }
    changes.removeAll(keepingCapacity: true)
    for part in parts { changes += part }
  }

  /// So many entries are worth several threads: fewer are sorted as soon as these have begun.
  private static var leastShared: Int { 16 << 10 }

  /// One sorted list of two, the newer of which is right about slots that both name.
  static func merge(newer: [RunEntry], older: [RunEntry], dropsGone: Bool) -> [RunEntry] {
    var result: [RunEntry] = []
    result.reserveCapacity(newer.count + older.count)
    var old = 0
    func take(_ entry: RunEntry) { if !dropsGone || !entry.isGone { result.append(entry) } }
    for entry in newer {
      while old < older.count, older[old].precedesSlot(entry) {
        take(older[old])
        old += 1
      }
      if old < older.count, older[old].isSameSlot(entry) { old += 1 }
      take(entry)
    }
    while old < older.count {
      take(older[old])
      old += 1
    }
    return result
  }
}
