@testable import BarKV

/// A plain file: the kernel writes back what it likes when it likes, and a barrier only the range it is told. The only
/// model in which a barrier that covers too little is seen.
enum FileRules: PersistenceRules {
  /// Ordinary stores and barriers with a range; memory has no file to synchronize.
  static var domain: PersistenceDomain { .processOnly }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: false)
    case .dma(let offset, let bytes, _):
      image.add(bytes, at: offset, thread: thread, isStreamed: false, isFenced: true)
    case .fence:
      image.update { if $0.thread == thread { $0.isFenced = true } }
    case .barrier(_, let range):
      image.commit { $0.isFenced && range.contains($0.offset) }
    case .flush, .readBack, .statusRead, .dmaDone, .peerRead, .evict:
      break
    }
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace {
    SurvivalSpace(lanes: [[independent(units.indices, units)]])
  }
}
