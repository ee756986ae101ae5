import ArgumentParser

@testable import BarKV
@testable import CrashRig

/// The mutants of a build with `-D BARKV_MUTANTS`, for `Scripts/mutate`.
enum MutantList {
  /// The models of the gate: those with smaller units lose the same writes in more ways.
  static let models: [PersistenceModel] = [
    .writeBack, .writeCombining, .uncached, .relaxed, .statusRead, .regionRead, .file,
  ]

  /// Prints a mutant a line: its name, and the models under which the store does anything else for it;
  /// `peers` are interleavings of owners and devices, `tests` are those that need no rig.
  static func print() throws {
    #if BARKV_MUTANTS
      for fault in MediumFault.allCases {
        for site in MediumSite.allCases where fault.sites.contains(site) {
          print(
            "\(fault).\(site)", models.filter { fault.concerns($0, at: site) },
            peers: MutantList.peerSites.contains(site))
        }
      }
      for mutant in Mutant.allCases {
        print("\(mutant)", models.filter { mutant.concerns($0) }, peers: mutant.isAboutPeers)
      }
    #else
      throw ValidationError("this build has no mutants: Scripts/mutate makes one that has")
    #endif
  }

  private static func print(_ name: String, _ models: [PersistenceModel], peers: Bool) {
    Swift.print(([name] + models.map(\.rawValue) + (peers ? ["peers"] : []) + ["tests"]).joined(separator: " "))
  }

  #if BARKV_MUTANTS
    /// Sites that only damage leads to, or what workloads of this size do not have.
    static let damageSites: Set<MediumSite> = [.endSeal, .proofSeal, .closingSeal]
    /// Sites where devices take part.
    static let peerSites: Set<MediumSite> = [.reservation, .reservedExtent, .release, .peerPayload, .peerRecord]
  #endif
}

#if BARKV_MUTANTS
  extension MediumFault {
    /// Whether the store does anything else on such a medium.
    func concerns(_ model: PersistenceModel, at site: MediumSite) -> Bool {
      if MutantList.damageSites.contains(site) { return false }
      switch self {
      case .dropFlush, .flushWithoutFirstLine, .flushWithoutLastLine: return model.rules.domain == .cacheFlush
      case .dropReadBack: return model.rules.domain.isBehindBus
      // Everywhere else a barrier is one of the whole region.
      case .dropSync, .syncWithoutFirstLine, .syncWithoutLastLine: return model == .file
      case .dropWrite, .lateWrite, .dropFence, .dropBarrier: return true
      }
    }
  }

  extension Mutant {
    /// Whether the store does anything else on such a medium.
    func concerns(_ model: PersistenceModel) -> Bool {
      if isAboutDamage || isAboutArrival { return false }
      switch self {
      case .headerOutsideBarrier, .barrierOfLastRecord, .extentBarrierWithoutHeader, .barrierOfLastExtent,
        .sharedBarrierOfLastRange:
        return model == .file
      case .statusReadLeftOut: return model == .statusRead
      case .memoryReadLeftOut: return model == .regionRead
      default: return true
      }
    }

    /// Whether interleavings of owners and devices may notice it.
    var isAboutPeers: Bool {
      switch self {
      case .commitSkipsWait, .commitSkipsChecksum, .commitTrustsAnyCompletion, .commitTrustsEarlierBoot,
        .forgetsQuarantine,
        .cutForgetsReservations, .releaseWithoutRecord, .reservationBeforeBarrier, .forgetsLease:
        true
      default: false
      }
    }

    /// Whether it takes data that is late or stale, which workloads do not have.
    private var isAboutArrival: Bool {
      switch self {
      case .commitKeepsCopy, .commitReadsCopy, .commitSkipsEviction, .commitSkipsWait, .commitSkipsChecksum,
        .commitTrustsAnyCompletion, .commitTrustsEarlierBoot, .forgetsLease:
        true
      default: false
      }
    }

    /// Whether a power cut makes no difference to it: it takes damage, or more than workloads store.
    private var isAboutDamage: Bool {
      switch self {
      case .readAcceptsRecord, .readAcceptsExtent, .acceptsOldExtent, .acceptsForeignHeader,
        .acceptsDifferentSuperblocks, .verifySkipsSuperblock, .verifySkipsManifest, .verifySkipsHeader,
        .verifySkipsExtent, .verifySkipsGaps, .closedDespiteNewerOwner, .closedDespiteGrowth, .neverSettled,
        .chainProvesNothing, .reportsNoGaps, .reportsNoShortSegment, .reportsNoMissingSeal, .reportsNoHeaderCopy,
        .reportsNoLostSegment, .reportsNoManifest, .reportsNoSuperblock, .appendsWithoutProof, .appendsBehindDamage,
        .keepsHidden, .segmentWithoutPrevious, .joinsPartsAnyhow:
        true
      default: false
      }
    }
  }
#endif
