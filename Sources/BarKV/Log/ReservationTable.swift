/// The reservations that are open, in memory: what the records in the log say of them, and what is being done to them.
///
/// An entry comes and goes while its lane is held, so that a checkpoint's cut, which holds all lanes, finds each reservation
/// either here or ended by a record before the cut.
final class ReservationTable: Sendable {
  /// A reservation.
  struct Entry: Sendable {
    var record: ReservationRecord
    var key: [UInt8]
    /// Where its record stands, and how many lines it takes.
    var recordOffset: Int
    var recordLines: Int
    /// Whether an earlier owner made it.
    var isQuarantined: Bool
    /// Whether a call commits or abandons it now.
    var isBusy = false
    /// How many callers have its memory.
    var writers = 0
  }

  private struct State: Sendable {
    var entries: [UInt64: Entry] = [:]
    /// Reservations that are being made: they count towards the limit.
    var underway = 0
  }

  /// How many there may be at a time.
  let limit: Int
  private let state = Locked(State())

  init(geometry: Geometry) {
    limit = Self.limit(segmentCount: geometry.segmentCount)
  }

  /// How many reservations a region of so many segments may have. Each may keep two segments from being used again, so that
  /// forgotten ones cost a quarter of a region at most.
  static func limit(segmentCount: Int) -> Int { min(64, max(2, segmentCount / 8)) }

  /// All entries, the oldest first.
  var all: [Entry] {
    state.withLock { $0.entries.values.sorted { $0.record.generation < $1.record.generation } }
  }

  /// The lines of reservations' records in the segment that starts at `range`.
  func recordLines(in range: Range<Int>) -> Int {
    state.withLock { state in
      state.entries.values.reduce(0) { range.contains($1.recordOffset) ? $0 + $1.recordLines : $0 }
    }
  }

  // MARK: Making

  /// Counts a reservation that is about to be made; whether there may be one more.
  func begin() -> Bool {
    state.withLock { state in
      guard state.entries.count + state.underway < limit else { return false }
      state.underway += 1
      return true
    }
  }

  /// The reservation that was begun came to nothing, or is about to be added.
  func end() { state.withLock { $0.underway -= 1 } }

  /// Adds a reservation whose record is durable. The caller holds the record's lane, or is recovery.
  func add(_ entry: Entry) { state.withLock { $0.entries[entry.record.generation] = entry } }

  // MARK: Ending

  /// What a call to end a reservation finds.
  enum Taken: Sendable {
    case entry(Entry)
    /// Another call has it.
    case busy
    case none
  }

  /// Takes a reservation for a call that commits or abandons it.
  func take(_ generation: UInt64) -> Taken {
    state.withLock { state in
      guard var entry = state.entries[generation] else { return .none }
      if entry.isBusy || entry.writers > 0 { return .busy }
      entry.isBusy = true
      state.entries[generation] = entry
      return .entry(entry)
    }
  }

  /// Notes a caller who has the memory until ``endWriting(_:)``.
  func beginWriting(_ generation: UInt64) -> Taken {
    state.withLock { state in
      guard let entry = state.entries[generation] else { return .none }
      if entry.isBusy { return .busy }
      state.entries[generation]?.writers += 1
      return .entry(entry)
    }
  }

  func endWriting(_ generation: UInt64) { state.withLock { $0.entries[generation]?.writers -= 1 } }

  /// Leaves it as it was: the call was refused.
  func putBack(_ generation: UInt64) { state.withLock { $0.entries[generation]?.isBusy = false } }

  /// Takes a reservation out whose end is durable. The caller holds the lane of the record that says so.
  func remove(_ generation: UInt64) { state.withLock { _ = $0.entries.removeValue(forKey: generation) } }
}
