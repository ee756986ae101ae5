/// What is reported about what was found.
extension Recovery {
  /// The manifest, if it says that the store was closed and nothing in the region is newer than it.
  func closedManifest(_ manifest: Manifest?, scans: [SegmentScan], survey: Survey) -> Manifest? {
    guard let manifest, manifest.isClosed else { return nil }
    // The newest manifest may be unreadable, and this an older owner's: then there is something that it cannot know.
    let isNewest = (survey.logs + survey.extents).allSatisfy { $0.generation >> 32 <= manifest.ownerEpoch }
    guard isNewest || Mutant.closedDespiteNewerOwner.isActive else { return nil }
    for scan in scans where scan.sealOffset == nil && !Mutant.closedDespiteGrowth.isActive {
      guard let open = manifest.openSegments.first(where: { Int($0.segment) == scan.header.segment }) else { continue }
      if scan.tail > geometry.segmentOffset(scan.header.segment) + Int(open.lines) * lineSize { return nil }
    }
    return manifest
  }

  mutating func noteManifests(_ found: (manifest: Manifest?, invalidAreas: [Int]), closed: Manifest?) {
    // One area that is not valid is what a crash during a commit leaves: no damage. It is damage where nothing is left, or
    // where what is left is not the newest.
    let isStale = found.manifest?.isClosed == true && closed == nil
    guard found.manifest == nil || isStale, !Mutant.reportsNoManifest.isActive else { return }
    for area in found.invalidAreas {
      note(
        Damage(
          kind: .manifest, offset: UInt64(geometry.manifestOffset(area)), length: UInt64(geometry.metadataStride),
          detail: "this manifest area is not valid; the log was read without it"))
    }
  }

  mutating func noteHeaders(
    _ survey: Survey, scans: [SegmentScan], verdict: LogVerdict, isClosed: Bool
  ) {
    for (segment, copy) in survey.damagedCopies {
      // Without a settled record the segment may just have been opened, and its header torn. Where all of it is dropped, a
      // settled head of a torn batch included, the header may just have been erased, and the erasure torn.
      let isProven =
        isClosed
        || zip(scans, verdict.segments).contains { scan, decided in
          scan.header.segment == segment && scan.lastSettled >= 0 && !scan.isEmpty(decided, geometry: geometry)
        }
      guard isProven, !Mutant.reportsNoHeaderCopy.isActive else { continue }
      note(
        Damage(
          kind: .segmentHeader, offset: UInt64(geometry.segmentOffset(segment) + copy * lineSize),
          length: UInt64(lineSize), detail: "this copy of the segment's header is not valid; the other one serves"))
    }
    for segment in survey.unreadable {
      if isClosed, !Mutant.reportsNoLostSegment.isActive {
        note(
          Damage(
            kind: .segmentHeader, offset: UInt64(geometry.segmentOffset(segment)), length: UInt64(geometry.segmentSize),
            detail: "both copies of the segment's header are damaged: what the segment held is lost"))
      } else {
        report.tornTailCount += 1
      }
    }
  }

  /// Reports what could not be read because its memory is poisoned.
  ///
  /// - Throws: ``StoreError/deviceLost(_:)`` where the region is gone, or some of it poisoned that an owner would write to.
  mutating func judgeLoss() throws(StoreError) {
    try medium.checkPresence()
    for part in medium.loss.poisoned {
      if access == .readWrite {
        throw .deviceLost("the memory at offset \(part.lowerBound) is poisoned: open it read-only and dump it")
      }
      note(
        Damage(
          kind: .record, offset: UInt64(part.lowerBound), length: UInt64(part.count),
          detail: "the memory here is poisoned: what it held is lost"))
    }
  }
}
