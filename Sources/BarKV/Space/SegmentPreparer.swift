import Dispatch
import Synchronization

/// Touches the pages of the segments that will be written next, ahead of the writers: a page's first touch costs
/// microseconds, which a put should not pay.
///
/// Works on a queue of its own, a window ahead of what is taken. A writer that overtakes it only pays for its own pages.
final class SegmentPreparer: Sendable {
  private let medium: Medium
  private let space: Space
  private let geometry: Geometry
  private let window: Int
  private let queue = DispatchQueue(label: "BarKV.SegmentPreparer", qos: .utility)
  private let prepared: Locked<Set<Int>>
  private let isScheduled = Atomic<Bool>(false)
  private let isStopped = Atomic<Bool>(false)

  /// How much is prepared ahead.
  private static var windowBytes: Int { 64 << 20 }

  init(medium: Medium, space: Space, geometry: Geometry) {
    self.medium = medium
    self.space = space
    self.geometry = geometry
    window = max(2, Self.windowBytes / geometry.segmentSize)
    prepared = Locked([])
  }

  /// Sees to it that the segments that will be taken next get prepared; returns at once.
  func advance() {
    guard medium.canPrepare, !isStopped.load(ordering: .relaxed),
      !isScheduled.exchange(true, ordering: .acquiringAndReleasing)
    else { return }
    queue.async { [self] in
      isScheduled.store(false, ordering: .releasing)
      for segment in space.upcoming(window) {
        if isStopped.load(ordering: .relaxed) { return }
        prepare(segment)
      }
    }
  }

  /// Prepares one segment, if it was not.
  private func prepare(_ segment: Int) {
    guard prepared.withLock({ $0.insert(segment).inserted }) else { return }
    let start = geometry.segmentOffset(segment)
    medium.prepare(start..<start + geometry.segmentSize)
  }

  /// Waits until nothing is being prepared, for good: the region may be unmapped then.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    queue.sync {}
  }
}
