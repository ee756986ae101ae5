import Synchronization

/// Touches the pages of the segments that will be written next, ahead of the writers: a page's first touch costs
/// microseconds, which a put should not pay.
///
/// Works on a thread of its own, a window ahead of what is taken; the thread ends when the window is prepared. A writer
/// that overtakes it only pays for its own pages.
final class SegmentPreparer: Sendable {
  private struct State: Sendable {
    /// The segments that were prepared, or are being.
    var prepared: Set<Int> = []
    /// The thread at work, or done and not yet waited for.
    var thread: Thread?
    var isWorking = false
    var isStopped = false
  }

  private let medium: Medium
  private let space: Space
  private let geometry: Geometry
  private let window: Int
  private let state = Locked(State())

  /// How much is prepared ahead.
  private static var windowBytes: Int { 64 << 20 }

  init(medium: Medium, space: Space, geometry: Geometry) {
    self.medium = medium
    self.space = space
    self.geometry = geometry
    window = max(2, Self.windowBytes / geometry.segmentSize)
  }

  /// Sees to it that the segments that will be taken next get prepared; returns at once.
  func advance() {
    guard medium.canPrepare else { return }
    state.withLock { state in
      guard !state.isStopped, !state.isWorking else { return }
      // It has ended, or is about to: nothing is waited for here that takes time.
      state.thread?.join()
      state.isWorking = true
      state.thread = Thread { [self] in work() }
      if state.thread == nil { state.isWorking = false }
    }
  }

  private func work() {
    while let segment = nextSegment() {
      let start = geometry.segmentOffset(segment)
      medium.prepare(start..<start + geometry.segmentSize)
    }
  }

  /// The next segment to prepare; without one the thread's work is done.
  private func nextSegment() -> Int? {
    let upcoming = space.upcoming(window)
    return state.withLock { state in
      let segment = state.isStopped ? nil : upcoming.first { !state.prepared.contains($0) }
      if let segment { state.prepared.insert(segment) } else { state.isWorking = false }
      return segment
    }
  }

  /// Waits until nothing is being prepared, for good: the region may be unmapped then.
  func stop() {
    let thread = state.withLock { state in
      state.isStopped = true
      defer { state.thread = nil }
      return state.thread
    }
    thread?.join()
  }
}
