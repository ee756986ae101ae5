@testable import BarKV

/// An NVMe Persistent Memory Region whose barrier is a read of its memory: as ``StatusReadRules``, but that read empties the
/// controller's buffer, and one of PMRSTS does not.
enum RegionReadRules: PersistenceRules {
  static var domain: PersistenceDomain { .pmrMemoryRead }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    WriteCombiningRules.apply(event, thread: thread, to: &image)
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace { RelaxedRules.space(of: units) }
}
