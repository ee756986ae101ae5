/// The leases that are out. They end with the process: a device that only reads harms nobody.
final class LeaseTable: Sendable {
  struct Entry: Sendable {
    var key: [UInt8]
    var range: Range<Int>
    /// The segment that is pinned.
    var segment: Int
    /// When it was taken, on a clock that does not jump.
    var began: UInt64
  }

  private struct State: Sendable {
    var entries: [UInt64: Entry] = [:]
    var last: UInt64 = 0
  }

  private let state = Locked(State())

  /// All leases, the oldest first.
  var all: [Entry] { state.withLock { $0.entries.sorted { $0.key < $1.key }.map(\.value) } }

  /// Adds a lease; its number.
  func add(_ entry: Entry) -> UInt64 {
    state.withLock { state in
      state.last += 1
      state.entries[state.last] = entry
      return state.last
    }
  }

  /// Takes a lease out.
  func remove(_ number: UInt64) -> Entry? { state.withLock { $0.entries.removeValue(forKey: number) } }
}
