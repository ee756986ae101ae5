@testable import BarKV

/// An NVMe Persistent Memory Region whose barrier is a read of its memory: as ``StatusReadRules``, but that read empties the
/// controller's buffer, and one of PMRSTS does not.
enum RegionReadRules: PersistenceRules {
  static var domain: PersistenceDomain { .pmrMemoryRead }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: true)
    case .fence:
      image.update { if $0.thread == thread { $0.isFenced = true } }
    case .readBack:
      image.commit { $0.isFenced }
    case .flush, .barrier, .statusRead, .dma, .dmaDone:
      break
    }
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace {
    SurvivalSpace(lanes: [[independent(units.indices, units)]])
  }
}
