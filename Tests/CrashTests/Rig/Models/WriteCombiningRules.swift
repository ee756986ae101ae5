@testable import BarKV

/// A BAR mapped write-combining: any subset of units, in any order, until the fence. What was fenced is posted: it
/// arrives before what the same thread stores later, and is not durable. A read-back makes all that is posted durable.
enum WriteCombiningRules: PersistenceRules {
  static var domain: PersistenceDomain { .readBack }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: true)
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
    var groups: [Int: [Int: [Int]]] = [:]
    for (number, unit) in units.enumerated() {
      groups[unit.thread, default: [:]][unit.group, default: []].append(number)
    }
    let lanes = groups.sorted { $0.key < $1.key }.map { _, stages in
      stages.sorted { $0.key < $1.key }.map { independent($0.value, units) }
    }
    return SurvivalSpace(lanes: lanes)
  }
}
