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
    var worker = TransientThread()
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
    state.withLock { $0.worker.start { [self] in work() } }
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
      let segment = state.worker.isStopped ? nil : upcoming.first { !state.prepared.contains($0) }
      if let segment { state.prepared.insert(segment) } else { state.worker.ended() }
      return segment
    }
  }

  /// Waits until nothing is being prepared, for good: the region may be unmapped then.
  func stop() {
    state.withLock { $0.worker.stop() }?.join()
  }
}
