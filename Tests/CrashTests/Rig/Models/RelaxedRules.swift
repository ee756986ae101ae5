@testable import BarKV

/// A BAR behind a bus that keeps no order: any subset of what was not read back may vanish. Harsher than PCIe's posted
/// writes, and the only model that tests a read-back in the middle of an operation.
enum RelaxedRules: PersistenceRules {
  static var domain: PersistenceDomain { .readBack }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    WriteCombiningRules.apply(event, thread: thread, to: &image)
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace {
    SurvivalSpace(lanes: [[independent(units.indices, units)]])
  }
}
