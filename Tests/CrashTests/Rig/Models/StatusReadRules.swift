@testable import BarKV

/// An NVMe Persistent Memory Region whose barrier is a read of PMRSTS: the controller holds what was written in a buffer that
/// a power cut empties, in any order, until that register was read. A read of the memory only says that writes have arrived
/// at the buffer.
enum StatusReadRules: PersistenceRules {
  static var domain: PersistenceDomain { .pmrStatusRead }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store, .streamingStore, .fence, .flush, .barrier, .dma, .dmaDone, .peerRead, .evict:
      WriteCombiningRules.apply(event, thread: thread, to: &image)
    case .statusRead:
      image.commit { $0.isFenced }
    case .readBack:
      break
    }
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace { RelaxedRules.space(of: units) }
}
