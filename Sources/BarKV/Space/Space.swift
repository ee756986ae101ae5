import Synchronization

/// Which segments are free, and who may take them.
///
/// A full store must still delete, and a delete writes a tombstone; and maintenance, which sets dead space free, must first
/// write copies and runs. So puts leave a reserve, deletes leave the part of it that maintenance needs, and maintenance
/// takes the last. Tombstones are dead as soon as a checkpoint has them, so their segments come back by themselves.
final class Space: Sendable {
  private struct State: Sendable {
    var isFree: [Bool]
    var freeCount: Int
    /// Log segments that an earlier owner left with room in them.
    var partial: [Partial] = []
    /// Where the search for a free segment goes on.
    var cursor = 0
  }

  /// A log segment with room, and the number of its lines in use.
  struct Partial: Sendable, Equatable {
    var segment: Int
    var usedLines: Int
    /// Whether it is known that no record stands behind the segment's frontier.
    var isClear: Bool
  }

  /// What space is for.
  enum Purpose: Sendable {
    /// Anything: keeps its hands off the reserve.
    case put
    /// Tombstones alone: leave what the index needs, to the checkpoint that gives their segment back.
    case delete
    /// Copies of live records: leave the same, to the checkpoint that gives back where they came from.
    case copy
    /// Runs: take the last.
    case run
  }

  private let geometry: Geometry
  private let state: Locked<State>

  /// A space in which every segment is free.
  init(geometry: Geometry) {
    self.geometry = geometry
    state = Locked(
      State(isFree: Array(repeating: true, count: geometry.segmentCount), freeCount: geometry.segmentCount))
  }

  /// How many segments are free.
  var freeCount: Int { state.withLock { $0.freeCount } }

  private func change<R>(_ body: (inout State) -> R) -> R { state.withLock(body) }

  // MARK: Reserve

  /// The log segments that were opened since the last cut.
  private let openedSinceCut = Atomic<Int>(0)
  /// The bytes that are left for runs in the segment that takes them.
  private let runRoom = Atomic<Int>(0)
  /// The bytes of the runs in force.
  private let runBytes = Atomic<Int>(0)
  /// The segments of runs, in force or not.
  private let runSegments = Atomic<Int>(0)
  /// The keys that there may be before it is said again.
  private let expectedKeys = Atomic<Int>(0)
  /// The lanes that may each have an open segment.
  private let lanes = Atomic<Int>(1)

  /// Says how many keys there may be before it is said again, and how many lanes have segments of their own.
  func expect(keys: Int, lanes count: Int) {
    expectedKeys.store(keys, ordering: .relaxed)
    lanes.store(count, ordering: .relaxed)
  }

  /// All changes are in runs from here on.
  func beginTail() { openedSinceCut.store(0, ordering: .relaxed) }

  /// Counts a run that is in force now, or no more.
  func countRun(bytes: Int) { runBytes.wrappingAdd(bytes, ordering: .relaxed) }

  /// Counts segments of runs that were opened, or are free again.
  func countRunSegments(_ count: Int) { runSegments.wrappingAdd(count, ordering: .relaxed) }

  /// Says how much is left in the segment that takes runs.
  func setRunRoom(_ bytes: Int) { runRoom.store(bytes, ordering: .relaxed) }

  /// The free segments that the index needs. As long as they are free, a checkpoint is possible; and a checkpoint gives back
  /// whatever is dead.
  ///
  /// Where the index is written anew when space is short, all of it has to fit beside the old one, and again when that is
  /// gone: what it takes up goes from one half of this to the other. Else: the run of all that may have changed until the
  /// next cut, one that is written before that which it replaces can go, and the index's growth.
  private func indexReserve(keys entries: Int, opening: Int) -> Int {
    if geometry.rewritesIndex {
      let whole = geometry.runSegments(entries: entries)
      return whole + max(0, whole - runSegments.load(ordering: .relaxed))
    }
    let segments = openedSinceCut.load(ordering: .relaxed) + opening + lanes.load(ordering: .relaxed) + 1
    let most = geometry.mostRunBytes(keys: entries)
    var bytes =
      geometry.runBytes(entries: 2 * segments * geometry.recordLinesPerSegment) + geometry.longestRun
      + max(0, most - runBytes.load(ordering: .relaxed))
    bytes -= runRoom.load(ordering: .relaxed)
    let payload = geometry.runPayload
    return bytes <= 0 ? 0 : (bytes + payload - 1) / payload
  }

  /// Whether a taker finds a segment.
  func hasRoom(for purpose: Purpose) -> Bool { freeCount > left(by: purpose) }

  /// The free segments that puts leave.
  var reservedSegments: Int { left(by: .put) }

  /// How many segments one after the other a taker finds, up to `most`: each adds to the reserve, as what is written there
  /// has to fit into the next run.
  func takeable(by purpose: Purpose, most: Int) -> Int {
    let free = freeCount
    let keys = expectedKeys.load(ordering: .relaxed)
    var count = 0
    while count < most, free - count > left(by: purpose, keys: keys, opening: count) { count += 1 }
    return count
  }

  /// How many free segments a taker leaves.
  func left(by purpose: Purpose) -> Int {
    left(by: purpose, keys: expectedKeys.load(ordering: .relaxed), opening: 0)
  }

  /// The same once there may be so many keys, and so many segments more were opened.
  func left(by purpose: Purpose, keys: Int, opening: Int) -> Int {
    switch purpose {
    // One for tombstones, one to copy to.
    case .put: indexReserve(keys: keys, opening: opening) + 2 + 2 * geometry.churn
    case .copy: indexReserve(keys: keys, opening: opening) + geometry.churn
    case .delete: indexReserve(keys: keys, opening: opening)
    case .run: 0
    }
  }

  /// The most neighbouring segments that are free.
  var longestFreeRun: Int {
    state.withLock { state in
      var (run, longest) = (0, 0)
      for isFree in state.isFree {
        run = isFree ? run + 1 : 0
        longest = max(longest, run)
      }
      return longest
    }
  }

  // MARK: Recovery

  /// Marks `span` segments from `segment` on as used.
  func occupy(_ segment: Int, span: Int) {
    change { state in
      for index in segment..<segment + span where state.isFree[index] {
        state.isFree[index] = false
        state.freeCount -= 1
      }
    }
  }

  /// Offers a log segment that still has room to the lanes.
  func offer(_ partial: Partial) {
    state.withLock { $0.partial.append(partial) }
  }

  // MARK: Taking

  /// Takes a log segment that an earlier owner left with at least `lines` lines of room.
  func takePartial(lines: Int) -> Partial? {
    state.withLock { state in
      guard
        let index = state.partial.lastIndex(where: {
          geometry.recordLinesPerSegment + Geometry.segmentHeaderBytes / lineSize - $0.usedLines >= lines
        })
      else { return nil }
      return state.partial.remove(at: index)
    }
  }

  /// The lines of room in them.
  var partialLines: Int {
    state.withLock { $0.partial.reduce(0) { $0 + geometry.segmentSize / lineSize - $1.usedLines } }
  }

  /// The segments that are left with room, and stay so.
  var partials: [Partial] { state.withLock { $0.partial } }

  /// Takes `count` free segments, anywhere: all or nothing.
  func take(_ count: Int, purpose: Purpose) -> [Int]? {
    change { state in
      guard state.freeCount - count >= left(by: purpose) else { return nil }
      if purpose != .run { openedSinceCut.wrappingAdd(count, ordering: .relaxed) }
      var taken: [Int] = []
      for _ in 0..<count {
        while !state.isFree[state.cursor] { state.cursor = (state.cursor + 1) % state.isFree.count }
        state.isFree[state.cursor] = false
        state.freeCount -= 1
        taken.append(state.cursor)
      }
      return taken
    }
  }

  /// The free segments that will be taken next, up to `count` of them.
  func upcoming(_ count: Int) -> [Int] {
    state.withLock { state in
      var segments: [Int] = []
      for step in 0..<state.isFree.count where segments.count < count {
        let segment = (state.cursor + step) % state.isFree.count
        if state.isFree[segment] { segments.append(segment) }
      }
      return segments
    }
  }

  /// Takes `span` neighbouring free segments, from the region's end, where they do not break up what logs use.
  func takeNeighbours(_ span: Int) -> Int? {
    change { state in
      guard state.freeCount - span >= left(by: .put) else { return nil }
      var run = 0
      for segment in stride(from: state.isFree.count - 1, through: 0, by: -1) {
        run = state.isFree[segment] ? run + 1 : 0
        if run == span {
          for index in segment..<segment + span { state.isFree[index] = false }
          state.freeCount -= span
          return segment
        }
      }
      return nil
    }
  }

  /// Gives segments back that were taken and never written.
  func giveBack(_ segments: [Int]) {
    change { state in
      for segment in segments where !state.isFree[segment] {
        state.isFree[segment] = true
        state.freeCount += 1
      }
    }
  }
}
