@testable import BarKV

/// A BAR mapped uncached: each thread's stores arrive in program order, and a suffix that was not read back may vanish.
enum UncachedRules: PersistenceRules {
  static var domain: PersistenceDomain { .readBack }

  static func uncachedBytes(of regionBytes: Int) -> Int { regionBytes }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: false)
    case .dma(let offset, let bytes, _):
      image.add(bytes, at: offset, thread: thread, isStreamed: false, isFenced: true)
    case .fence:
      image.update { if $0.thread == thread { $0.isFenced = true } }
    case .readBack:
      image.commit { $0.isFenced }
    case .flush, .barrier, .statusRead, .dmaDone, .peerRead, .evict:
      break
    }
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace {
    var threads: [Int: SurvivalSpace.Chain] = [:]
    for (number, unit) in units.enumerated() { threads[unit.thread, default: []].append(number) }
    return SurvivalSpace(lanes: threads.sorted { $0.key < $1.key }.map { [[$0.value]] })
  }
}
