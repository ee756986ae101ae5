import Synchronization

/// Which segments are free, and how much of that is promised.
///
/// A full store must still delete, and a delete writes a tombstone: so with each key that is put, the lines of its
/// tombstone are set aside, and only what is left beyond that is there for puts. Lanes fetch such promises in chunks, so
/// that a put rarely comes here.
///
/// Invariant: the free segments have room for all that is reserved; or the space is *short*: then a segment was opened for
/// tombstones, and its room, which only they may use, makes up for what is missing.
final class Space: Sendable {
  private struct State: Sendable {
    var isFree: [Bool]
    var freeCount: Int
    /// Log segments that an earlier owner left with room in them.
    var partial: [Partial] = []
    /// Lines promised to tombstones, held by lanes as credit or spent on present keys.
    var reservedLines = 0
    /// Where the search for a free segment goes on.
    var cursor = 0
  }

  /// A log segment with room, and the number of its lines in use.
  struct Partial: Sendable, Equatable {
    var segment: Int
    var usedLines: Int
  }

  /// What space is for.
  enum Purpose: Sendable {
    /// Anything: keeps its hands off what is reserved.
    case put
    /// A tombstone: spends what was reserved for it.
    case delete
  }

  private let geometry: Geometry
  private let state: Locked<State>
  /// Whether more is reserved than the free segments have room for.
  private let short = Atomic<Bool>(false)
  /// Whoever opens a segment of the reserve holds it: one at a time.
  let reserveTurn = Locked(false)

  /// A space in which every segment is free.
  init(geometry: Geometry) {
    self.geometry = geometry
    state = Locked(
      State(isFree: Array(repeating: true, count: geometry.segmentCount), freeCount: geometry.segmentCount))
  }

  /// How many segments are free.
  var freeCount: Int { state.withLock { $0.freeCount } }

  /// Whether room in open segments is for tombstones alone.
  @inline(__always)
  var isShort: Bool { short.load(ordering: .relaxed) }

  /// Changes the state, and what follows from it.
  private func change<R>(_ body: (inout State) -> R) -> R {
    state.withLock { state in
      let result = body(&state)
      short.store(state.reservedLines > state.freeCount * geometry.recordLinesPerSegment, ordering: .relaxed)
      return result
    }
  }

  /// How many lines are reserved for tombstones.
  var reservedLines: Int { state.withLock { $0.reservedLines } }

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

  /// Sets aside `lines` for the tombstones of keys that are present already, whether there is room or not.
  func reserveForPresentKeys(lines: Int) {
    change { $0.reservedLines += lines }
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

  /// Takes `count` free segments, anywhere, and `credit` lines of reserve with them: all or nothing.
  func take(_ count: Int, credit: Int, purpose: Purpose) -> [Int]? {
    change { state in
      guard state.freeCount >= count else { return nil }
      if purpose == .put {
        guard (state.freeCount - count) * geometry.recordLinesPerSegment >= state.reservedLines + credit else {
          return nil
        }
      }
      state.reservedLines += credit
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
  func takeNeighbours(_ span: Int, credit: Int) -> Int? {
    change { state in
      guard state.freeCount >= span,
        (state.freeCount - span) * geometry.recordLinesPerSegment >= state.reservedLines + credit
      else { return nil }
      var run = 0
      for segment in stride(from: state.isFree.count - 1, through: 0, by: -1) {
        run = state.isFree[segment] ? run + 1 : 0
        if run == span {
          for index in segment..<segment + span { state.isFree[index] = false }
          state.freeCount -= span
          state.reservedLines += credit
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

  /// Sets aside at least `lines` lines for tombstones, and up to `chunk` where there is plenty.
  ///
  /// - Returns: how many lines were set aside, or `nil` when there is no room for `lines`.
  func takeCredit(lines: Int, chunk: Int) -> Int? {
    change { state in
      let room = state.freeCount * geometry.recordLinesPerSegment - state.reservedLines
      guard room >= lines else { return nil }
      // Where space is short, a lane takes what it needs: credit that lies idle in one lane is missing in another.
      let granted = room >= 64 * chunk ? max(lines, chunk) : lines
      state.reservedLines += granted
      return granted
    }
  }

  /// Gives back lines that were set aside.
  func returnCredit(lines: Int) {
    change { $0.reservedLines -= lines }
  }

  // MARK: Accounting

  /// The lines to set aside for a tombstone of `lines` lines: its own, and what it may lose at the end of a segment that
  /// is too short for it. One line always finds its place.
  static func reserve(tombstoneLines lines: Int) -> Int {
    2 * lines - 1
  }
}
