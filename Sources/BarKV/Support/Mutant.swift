/// A broken form of one place in the store, for the gate on the tests themselves: each mutant must be caught by the crash
/// rig or by the image tests (`make mutate`, `Docs/Testing.md`).
///
/// They exist in a build with `-D BARKV_MUTANTS` only, which reads from the environment which one is in force. In any
/// other build ``isActive`` is a constant `false`, and nothing of a mutant is left in the code.
///
/// What breaks a write, flush, fence or barrier has no case here but a ``MediumFault``, at each ``MediumSite``.
enum Mutant {
  // MARK: Creating and closing

  /// The superblock is durable before the manifest that it promises.
  case superblockBeforeManifest
  /// The first copy of the superblock, the one that is asked first, before the second.
  case firstSuperblockFirst
  /// The manifest of a close says nothing of the sequence.
  case closingForgetsSequence
  /// A commit overwrites the manifest in force, not the one before it.
  case manifestOverNewest

  // MARK: Writing

  /// A put is visible before its barrier.
  case putVisibleBeforeBarrier
  /// A delete is visible before its barrier.
  case deleteVisibleBeforeBarrier
  /// A batch is visible before its barrier.
  case batchVisibleBeforeBarrier
  /// A write does not persist what was deferred before it.
  case writeOvertakesDeferred
  /// Every record says that all before it was durable.
  case alwaysSettled
  /// No record says that all before it was durable.
  case neverSettled
  /// A segment does not name the one before it in its lane.
  case segmentWithoutPrevious
  /// A segment's first barrier does not cover its header.
  case headerOutsideBarrier
  /// A barrier covers only the last record that the lane wrote.
  case barrierOfLastRecord
  /// The barrier of an extent does not cover the segment's header.
  case extentBarrierWithoutHeader
  /// The barrier of a batch's extents covers the last one only.
  case barrierOfLastExtent
  /// Writers that share a barrier: it covers the last range that was asked for, not all.
  case sharedBarrierOfLastRange
  /// Writers that share a barrier: who comes while one runs takes it for its own.
  case sharesRunningBarrier
  /// A Persistent Memory Region whose barrier is a read of PMRSTS: that is left out, and the region is read all the same.
  case statusReadLeftOut
  /// A Persistent Memory Region whose barrier is a read of the region: that is left out, and PMRSTS is read all the same.
  case memoryReadLeftOut
  /// Each use of a segment has the same salt.
  case saltWithoutGeneration
  /// All segments have the same salt.
  case saltWithoutSegment
  /// An owner gives out the generations of the one before it.
  case epochStays

  // MARK: Checks while reading

  /// Any bytes with sensible lengths are a record.
  case acceptsRecordChecksum
  /// Any bytes with the magic number are a segment's header.
  case acceptsHeaderChecksum
  /// A segment's header may be another segment's.
  case acceptsForeignHeader
  /// Any bytes with the magic number are a manifest.
  case acceptsManifestChecksum
  /// Any bytes with the magic number are a superblock.
  case acceptsSuperblockChecksum
  /// The copies of the superblock may differ.
  case acceptsDifferentSuperblocks
  /// A read that verifies does not look at the record's checksum.
  case readAcceptsRecord
  /// A read that verifies does not look at the extent's checksum.
  case readAcceptsExtent
  /// A reference may be into an earlier use of a segment.
  case acceptsOldExtent
  /// `verify` does not compare the superblocks.
  case verifySkipsSuperblock
  /// `verify` does not look at the manifests.
  case verifySkipsManifest
  /// `verify` does not look at segment headers.
  case verifySkipsHeader
  /// `verify` does not look at extents' checksums.
  case verifySkipsExtent
  /// `verify` passes over what is no record.
  case verifySkipsGaps

  // MARK: Deciding

  /// The older manifest counts.
  case olderManifest
  /// Of two headers of a segment the older one counts.
  case olderHeader
  /// A closed manifest counts although a later owner opened segments.
  case closedDespiteNewerOwner
  /// A closed manifest counts although segments have grown since.
  case closedDespiteGrowth
  /// A segment's frontier stays where its first record put it.
  case frontierStays
  /// Records behind a frontier are not erased before it moves on.
  case keepsBehindFrontier
  /// Parts of a segment that were read apart are joined wherever they begin.
  case joinsPartsAnyhow
  /// The numbers of records in a segment may fall.
  case sequenceMayFall
  /// After a crash the sequence goes on where the log ends.
  case sequenceNotBumped
  /// A settled record proves nothing about the segments before its own.
  case chainProvesNothing
  /// What stands behind a torn record counts.
  case keepsBehindTear
  /// A batch counts of which some is missing.
  case keepsTornBatch
  /// A part of a batch counts as whole that lacks records.
  case countsTornFragment
  /// A batch counts of which the cut takes some.
  case keepsCutBatch
  /// A segment counts whose predecessor was cut.
  case keepsOrphans
  /// For each key the record that is read last wins.
  case lastReadWins
  /// Tombstones are passed over.
  case skipsTombstones
  /// A gap before a settled record is not reported.
  case reportsNoGaps
  /// A segment that is shorter than at the close is not reported.
  case reportsNoShortSegment
  /// A missing seal is not reported.
  case reportsNoMissingSeal
  /// A damaged copy of a header is not reported.
  case reportsNoHeaderCopy
  /// A segment without a valid header is not reported.
  case reportsNoLostSegment
  /// A manifest that is not valid is not reported.
  case reportsNoManifest
  /// A damaged superblock is not reported.
  case reportsNoSuperblock

  // MARK: Leaving the region as decided

  /// What was dropped is erased before the manifest says that somebody is at it.
  case erasesBeforeManifest
  /// Earlier segments of a chain are erased before later ones.
  case erasesInOrder
  /// Records that were dropped stay.
  case keepsDropped
  /// Records that dropped ones hid stay.
  case keepsHidden
  /// The first line of what was torn stays.
  case keepsTornStart
  /// Extents that were replaced are erased before what replaced them is durable.
  case freesExtentsFirst
  /// Extents that were replaced are given out again, and not erased.
  case freesExtentsInMemory
  /// A segment is appended to behind a gap whose proof was dropped.
  case appendsWithoutProof
  /// A segment is appended to behind damage at its end.
  case appendsBehindDamage

  // The index's runs, checkpoints, space.

  /// A run's checksums are not asked.
  case acceptsRunChecksum
  /// A delta run is applied to a base run that has it already.
  case appliesAbsorbedRuns
  /// Of two delta runs the older one is right.
  case oldestRunWins
  /// A partition's table is taken away although its changes are in no run.
  case evictsChanged
  /// The cut is made without holding the lanes.
  case cutsLanesApart
  /// The tail's changes are left out of the first run after a crash.
  case forgetsTail
  /// A run that is still needed is dropped from the manifest.
  case dropsUnabsorbedRun
  /// A checkpoint names the segment of an extent whose header no barrier has covered.
  case namesPendingSegment
  /// The segments that a checkpoint sets free are reused before it is committed.
  case freesBeforeCommit
  /// A segment is reused although readers may be in it.
  case freesUnderReaders
  /// A victim is set free without its live records.
  case copiesNothing
  /// A copy is visible before it is durable.
  case copyVisibleBeforeBarrier
  /// A copy takes the place of a newer version.
  case copyOverNewer
  /// The tail is read from the segments' starts, not from the cut.
  case replaysFromStart
  /// The tail's records from before the cut are taken as well: a segment that was set free counts.
  case readsFreedSegments

  // MARK: Peers

  /// A commit leaves the copy in memory as it was before the peer wrote.
  case commitKeepsCopy
  /// What a peer wrote is read from the copy in memory.
  case commitReadsCopy
  /// Lines that may be in a cache outside the bus's coherency are left there.
  case commitSkipsEviction
  /// A commit does not wait for data that is late: the first look decides, and it is taken for whole.
  case commitSkipsWait
  /// A commit does not compare the checksum that the peer gave.
  case commitSkipsChecksum
  /// The default takes the peer's word on any medium.
  case commitTrustsAnyCompletion
  /// What a peer wrote last proves the rest, even where the power was gone meanwhile.
  case commitTrustsEarlierBoot
  /// The next owner does not keep what was reserved.
  case forgetsQuarantine
  /// A checkpoint does not carry the open reservations over.
  case cutForgetsReservations
  /// An abandoned reservation is forgotten in memory alone.
  case releaseWithoutRecord
  /// A reservation is handed out before its record is durable.
  case reservationBeforeBarrier
  /// A lease does not keep a segment from being used again.
  case forgetsLease
}

/// A broken form of what the medium is asked for at one site.
enum MediumFault {
  /// Nothing is written.
  case dropWrite
  /// What is written waits for the thread's next barrier to be over.
  case lateWrite
  /// No cache is written back.
  case dropFlush
  /// The first line is not written back.
  case flushWithoutFirstLine
  /// The last line is not written back.
  case flushWithoutLastLine
  /// Nothing is fenced, be it by a fence or by a barrier.
  case dropFence
  /// A barrier does not synchronize the file.
  case dropSync
  /// A barrier does not cover its first line.
  case syncWithoutFirstLine
  /// A barrier does not cover its last line.
  case syncWithoutLastLine
  /// A barrier does not end with a load from the device.
  case dropReadBack
  /// A barrier does nothing.
  case dropBarrier

  /// Whether this build has any.
  static var isPossible: Bool {
    #if BARKV_MUTANTS
      true
    #else
      false
    #endif
  }
}

#if BARKV_MUTANTS
  #if canImport(Glibc)
    import Glibc
  #elseif canImport(Musl)
    import Musl
  #endif

  extension Mutant: CaseIterable {
    /// The one in force.
    private static let active = allCases.first { "\($0)" == mutantName }

    @inline(__always)
    var isActive: Bool { self == Self.active }
  }

  extension MediumFault: CaseIterable {
    /// The one in force, and its site.
    private static let active: (fault: MediumFault, site: MediumSite)? =
      MediumSite.allCases.lazy.flatMap { site in allCases.map { (fault: $0, site: site) } }
      .first { "\($0.fault).\($0.site)" == mutantName }

    /// Where the store asks the medium for what this breaks.
    var sites: Set<MediumSite> {
      switch self {
      case .dropWrite, .lateWrite: Self.writes
      case .dropFlush, .flushWithoutFirstLine, .flushWithoutLastLine:
        [.acceptedManifest, .acceptedHeader, .acceptedRecords, .acceptedExtents, .peerPayload]
      case .dropFence: Self.barriers.union([.refusedWrite, .extentHeader])
      case .dropBarrier, .dropSync, .syncWithoutFirstLine, .syncWithoutLastLine, .dropReadBack: Self.barriers
      }
    }

    private static var writes: Set<MediumSite> {
      [
        .creatingManifest, .secondSuperblock, .superblock, .segmentHeader, .record, .tombstone, .seal, .batchHeader,
        .extentHeader,
        .extent, .closingManifest, .openingManifest, .erasedSegment, .erasedHeader, .erasedRecord, .erasedExtents,
        .headerCopy, .endSeal, .proofSeal, .run, .checkpoint, .freedSegment, .copy, .reservation, .reservedExtent,
        .release, .peerRecord,
      ]
    }

    private static var barriers: Set<MediumSite> {
      [
        .creatingManifest, .secondSuperblock, .superblock, .record, .deferredPart, .extent, .batchExtents,
        .closingSegment, .closingSeal, .closingManifest, .acceptedManifest, .openingManifest, .erasedExtents,
        .proofSeal, .recoveryAccept, .run, .checkpoint, .copy, .freedSegment, .reservation, .release, .peerPayload,
        .peerRecord,
      ]
    }

    @inline(__always)
    func isActive(at site: MediumSite) -> Bool {
      guard let active = Self.active else { return false }
      return active.fault == self && active.site == site
    }
  }

  /// What the environment asks for.
  private let mutantName = unsafe getenv("BARKV_MUTANT").map { unsafe String(cString: $0) } ?? ""
#else
  extension Mutant {
    @inline(__always)
    var isActive: Bool { false }
  }

  extension MediumFault {
    @inline(__always)
    func isActive(at site: MediumSite) -> Bool { false }
  }
#endif
