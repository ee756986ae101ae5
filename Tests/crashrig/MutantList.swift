import ArgumentParser

@testable import BarKV
@testable import CrashRig

/// The mutants of a build with `-D BARKV_MUTANTS`, for `Scripts/mutate`.
enum MutantList {
  /// The models of the gate: those with smaller units lose the same writes in more ways.
  static let models: [PersistenceModel] = [.writeBack, .writeCombining, .uncached, .relaxed, .file]

  /// Prints a mutant a line: its name, and the models under which the store does anything else for it.
  static func print() throws {
    #if BARKV_MUTANTS
      for fault in MediumFault.allCases {
        for site in MediumSite.allCases where fault.sites.contains(site) {
          print("\(fault).\(site)", models.filter { fault.concerns($0) })
        }
      }
      for mutant in Mutant.allCases { print("\(mutant)", models.filter { mutant.concerns($0) }) }
    #else
      throw ValidationError("this build has no mutants: Scripts/mutate makes one that has")
    #endif
  }

  private static func print(_ name: String, _ models: [PersistenceModel]) {
    Swift.print(([name] + models.map(\.rawValue)).joined(separator: " "))
  }
}

#if BARKV_MUTANTS
  extension MediumFault {
    /// Whether the store does anything else on such a medium.
    func concerns(_ model: PersistenceModel) -> Bool {
      switch self {
      case .dropFlush, .flushWithoutFirstLine, .flushWithoutLastLine: model.rules.domain == .cacheFlush
      case .dropReadBack: model.rules.domain == .readBack
      // Everywhere else a barrier is one of the whole region.
      case .dropSync, .syncWithoutFirstLine, .syncWithoutLastLine: model == .file
      case .dropWrite, .lateWrite, .dropFence, .dropBarrier: true
      }
    }
  }

  extension Mutant {
    /// Whether the store does anything else on such a medium.
    func concerns(_ model: PersistenceModel) -> Bool {
      switch self {
      case .headerOutsideBarrier, .barrierOfLastRecord, .extentBarrierWithoutHeader, .barrierOfLastExtent,
        .sharedBarrierOfLastRange:
        model == .file
      default: true
      }
    }
  }
#endif
