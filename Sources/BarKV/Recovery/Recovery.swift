import CBarKV
import Synchronization

/// Opening a region: read what is there, decide what counts, bring the index up, and, for an owner, leave the region as
/// decided. Nothing is ever formatted here.
struct Recovery {
  let medium: Medium
  let superblock: Superblock
  let options: StoreOptions
  let access: Access
  /// Where the superblock's copy is that is not valid.
  let damagedSuperblock: Int?
  var report = RecoveryReport()
  /// The segment in which the lane of tombstones goes on, where something may stand behind its frontier.
  var unclearTombstones: Space.Partial?
  var geometry: Geometry { superblock.geometry }

  /// The longest list of damage kept in a report.
  static let damageListLimit = 1000

  /// What the headers say: one entry a used segment.
  struct Survey {
    /// Log segments with records of the tail: those that were opened after the checkpoint, and those that were open then.
    var logs: [SegmentHeader] = []
    /// Log segments all of which is from before the checkpoint.
    var earlierLogs: [SegmentHeader] = []
    var extents: [SegmentHeader] = []
    var runs: [SegmentHeader] = []
    /// Segments that the checkpoint says are free, and whose header was not erased yet.
    var stale: [Int] = []
    /// Segments that the checkpoint says are in use, and whose header says otherwise.
    var lost: [Int] = []
    /// Segments whose header has a copy that is not valid.
    var damagedCopies: [(segment: Int, copy: Int)] = []
    /// Segments without a valid header that are not blank.
    var unreadable: [Int] = []

    var all: [SegmentHeader] { logs + earlierLogs + extents + runs }
  }

  private init(
    medium: Medium, superblock: Superblock, options: StoreOptions, access: Access, damagedSuperblock: Int?
  ) {
    self.medium = medium
    self.superblock = superblock
    self.options = options
    self.access = access
    self.damagedSuperblock = damagedSuperblock
  }

  /// Opens the store in `medium`.
  ///
  /// - Throws: ``StoreError/notAStore(_:)``, ``StoreError/wrongByteOrder``,
  ///   ``StoreError/unsupportedVersion(found:supported:)``, ``StoreError/unsupportedFeatures(_:)``,
  ///   ``StoreError/sizeMismatch(recorded:found:)``, ``StoreError/corrupt(_:)``; what the medium throws.
  static func open(_ medium: Medium, path: String, access: Access, options: StoreOptions) throws(StoreError) -> Store {
    do throws(StoreError) {
      return try read(medium, path: path, access: access, options: options)
    } catch {
      // What looks like no store, or a damaged one, may be what stands in for a region that is gone.
      if !medium.isWhole { try medium.checkAnswer() }
      throw error
    }
  }

  private static func read(
    _ medium: Medium, path: String, access: Access, options: StoreOptions
  ) throws(StoreError) -> Store {
    let began = monotonicNanoseconds()
    try options.validate()
    // While the process may have one thread only, or on the way: with several the kernel takes milliseconds.
    _ = barkv_membarrier_begin()
    for copy in 0..<2 {
      // A file that is no store may be shorter.
      let offset = min(medium.length, copy * Geometry.metadataStride(regionBytes: medium.length))
      medium.note(load: offset..<min(medium.length, offset + Superblock.encodedBytes))
    }
    let found = try unsafe Superblock.read(from: medium.bytes, path: path)
    medium.expectPresence(at: found.damagedCopy == 0 ? found.superblock.geometry.superblockOffset(1) : 0)
    var recovery = Recovery(
      medium: medium, superblock: found.superblock, options: options, access: access,
      damagedSuperblock: found.damagedCopy)
    if let copy = found.damagedCopy, !Mutant.reportsNoSuperblock.isActive {
      recovery.note(
        Damage(
          kind: .superblock, offset: UInt64(copy), length: UInt64(Superblock.encodedBytes),
          detail: "this copy of the superblock is not valid; the other one serves"))
    }
    return try recovery.run(began: began)
  }

  mutating func note(_ damage: Damage) {
    report.damageCount += 1
    if report.damage.count < Self.damageListLimit { report.damage.append(damage) }
  }

  private mutating func run(began: UInt64) throws(StoreError) -> Store {
    for area in 0..<2 {
      medium.note(load: geometry.manifestOffset(area)..<geometry.manifestOffset(area) + geometry.manifestStride)
    }
    let manifests = unsafe Manifest.read(from: medium.bytes, superblock: superblock)
    let found = manifests.manifest
    let (survey, checkpoint, runs) = surveyFromCheckpoint(found)
    let scans = scan(survey.logs, since: checkpoint)
    let closed = closedManifest(found, scans: scans, survey: survey)
    noteManifests(manifests, closed: closed)
    let verdict = LogVerdict(scans, geometry: geometry, closed: closed)
    for damage in verdict.damage { note(damage) }
    noteHeaders(survey, scans: scans, verdict: verdict, isClosed: closed != nil)
    report.wasClosed = closed != nil
    report.segmentCount = survey.logs.count + survey.extents.count

    var epoch = found?.ownerEpoch ?? 0
    for header in survey.all { epoch = max(epoch, header.generation >> 32) }
    if access == .readWrite {
      // Where a manifest and segments' headers are lost, nobody knows how often the store was opened. A generation given
      // out again would bring those segments' records back into force: go on with a number that none is likely to have.
      let isKnown = found != nil && (manifests.invalidAreas.isEmpty || survey.unreadable.isEmpty)
      epoch += isKnown ? Mutant.epochStays.isActive ? 0 : 1 : UInt64.random(in: 1...(1 << 24))
      guard epoch <= UInt64(UInt32.max) else { throw .corrupt("the owner epoch has no successor") }
    }
    var sequence = scans.reduce(found?.sequence ?? 0) { max($0, $1.highestSequence) }
    // A write that the crash tore may have taken any number up to the room there was: none of them is given out again.
    if closed == nil, !Mutant.sequenceNotBumped.isActive { sequence += UInt64(geometry.regionBytes / lineSize) }
    return try build(
      Findings(
        survey: survey, scans: scans, verdict: verdict, closed: closed, manifest: found, checkpoint: checkpoint,
        runs: runs, epoch: epoch, sequence: sequence), began: began)
  }
}
