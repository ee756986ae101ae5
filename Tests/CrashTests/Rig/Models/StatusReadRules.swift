@testable import BarKV

/// An NVMe Persistent Memory Region whose barrier is a read of PMRSTS: the controller holds what was written in a buffer that
/// a power cut empties, in any order, until that register was read. A read of the memory only says that writes have arrived
/// at the buffer.
enum StatusReadRules: PersistenceRules {
  static var domain: PersistenceDomain { .pmrStatusRead }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: true)
    case .fence:
      image.update { if $0.thread == thread { $0.isFenced = true } }
    case .statusRead:
      image.commit { $0.isFenced }
    case .flush, .barrier, .readBack, .dma, .dmaDone:
      break
    }
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace {
    SurvivalSpace(lanes: [[independent(units.indices, units)]])
  }
}
