/// Decides, from the scans of all log segments, what had been acknowledged, what was torn, and what is damaged.
///
/// The evidence is in the records: one that is *settled* was stored after a barrier that covered everything its lane had
/// stored before, in this segment and in those before it in the lane's chain. So a stretch that does not validate is
/// - **damage**, where a settled record comes after it: it was durable once, and may have been acknowledged. What is
///   whole around it stays.
/// - **torn**, where none does: the writer never got past its barrier. The log is cut there, and what stands behind it,
///   whole or not, is dropped: it is of the same unfinished barrier.
/// - A batch that lacks a part, and is not settled, is cut off where it begins.
struct LogVerdict {
  /// What is decided about one segment.
  struct Segment {
    /// Records at this offset and behind it are dropped.
    var cut: Int
    /// Records before this offset are known to have been durable.
    var settledUpTo: Int
    /// Whether everything in the segment is known to have been durable.
    var isSettled = false
    /// Whether the segment before this one in its chain was cut, so that nothing here can stay.
    var isOrphan = false
  }

  private(set) var segments: [Segment]
  private(set) var damage: [Damage] = []

  /// - Parameter closed: the manifest of a store that was closed: then everything is durable.
  init(_ scans: [SegmentScan], geometry: Geometry, closed: Manifest?) {
    segments = scans.map { scan in
      Segment(cut: scan.tail, settledUpTo: max(scan.lastSettled, scan.start), isSettled: closed != nil)
    }
    let order = scans.indices.sorted { scans[$0].header.generation < scans[$1].header.generation }
    var byGeneration: [UInt64: Int] = [:]
    for index in order { byGeneration[scans[index].header.generation] = index }
    var next: [Int: Int] = [:]
    for index in order {
      if let previous = byGeneration[scans[index].header.previousGeneration], previous != index {
        next[previous] = index
      }
    }
    propagateSettlement(scans, order: order, byGeneration: Mutant.chainProvesNothing.isActive ? [:] : byGeneration)
    if !Mutant.keepsBehindTear.isActive { cutTornTails(scans) }
    cutUnfinished(scans, order: order, next: next)
    findDamage(scans, geometry: geometry, closed: closed, next: next)
  }

  /// A settled record proves all segments before its own in the chain.
  private mutating func propagateSettlement(_ scans: [SegmentScan], order: [Int], byGeneration: [UInt64: Int]) {
    for index in order.reversed() where segments[index].isSettled || scans[index].lastSettled >= 0 {
      if let previous = byGeneration[scans[index].header.previousGeneration], previous != index {
        segments[previous].isSettled = true
      }
    }
    for index in segments.indices where segments[index].isSettled { segments[index].settledUpTo = .max }
  }

  private mutating func cutTornTails(_ scans: [SegmentScan]) {
    for index in scans.indices {
      if let torn = scans[index].gaps.first(where: { $0.lowerBound >= segments[index].settledUpTo }) {
        segments[index].cut = torn.lowerBound
      }
    }
  }

  /// Cuts incomplete batches off, and the segments behind a cut, until nothing changes: each round cuts something, so
  /// there are at most as many as fragments and segments.
  private mutating func cutUnfinished(_ scans: [SegmentScan], order: [Int], next: [Int: Int]) {
    while true {
      let batches = !Mutant.keepsTornBatch.isActive && cutIncompleteBatches(scans)
      let orphans = !Mutant.keepsOrphans.isActive && cutOrphans(scans, order: order, next: next)
      if !batches && !orphans { return }
    }
  }

  private mutating func cutIncompleteBatches(_ scans: [SegmentScan]) -> Bool {
    /// How many operations of each batch are there, whole and not cut; a settled part stands for the whole batch.
    var present: [UInt64: Int] = [:]
    for (index, scan) in scans.enumerated() {
      for fragment in scan.fragments where fragment.offset < segments[index].cut {
        if fragment.offset < segments[index].settledUpTo {
          present[fragment.content.sequence, default: 0] += fragment.content.total
        } else if fragment.isWhole || Mutant.countsTornFragment.isActive,
          !isCutWithin(fragment, scan: scan, cut: segments[index].cut)
        {
          present[fragment.content.sequence, default: 0] += fragment.content.count
        }
      }
    }
    var changed = false
    for (index, scan) in scans.enumerated() {
      for fragment in scan.fragments
      where fragment.offset < segments[index].cut && fragment.offset >= segments[index].settledUpTo {
        if present[fragment.content.sequence, default: 0] < fragment.content.total {
          segments[index].cut = fragment.offset
          changed = true
          break
        }
      }
    }
    return changed
  }

  /// Whether the cut takes records of the fragment away. Entries rise in offset and in sequence, so the first one behind
  /// the cut decides.
  private func isCutWithin(_ fragment: SegmentScan.Fragment, scan: SegmentScan, cut: Int) -> Bool {
    guard cut < scan.tail, !Mutant.keepsCutBatch.isActive else { return false }
    guard let next = scan.firstEntry(from: cut) else { return false }
    return fragment.content.covers(next.sequence(base: scan.header.baseSequence))
  }

  private mutating func cutOrphans(_ scans: [SegmentScan], order: [Int], next: [Int: Int]) -> Bool {
    var changed = false
    for index in order {
      guard let after = next[index], !segments[index].isSettled else { continue }
      // The lane went on to the next segment only behind this one's seal.
      let isCut = segments[index].isOrphan || segments[index].cut < scans[index].tail || scans[index].sealOffset == nil
      if isCut, scans[after].lastSettled < 0, !segments[after].isSettled, !segments[after].isOrphan {
        segments[after].isOrphan = true
        segments[after].cut = 0
        changed = true
      }
    }
    return changed
  }

  private mutating func findDamage(
    _ scans: [SegmentScan], geometry: Geometry, closed: Manifest?, next: [Int: Int]
  ) {
    for (index, scan) in scans.enumerated() {
      for gap in scan.gaps where gap.lowerBound < segments[index].cut && !Mutant.reportsNoGaps.isActive {
        damage.append(
          Damage(
            kind: .record, offset: UInt64(gap.lowerBound), length: UInt64(gap.count),
            detail: "no valid record stands here, and later ones prove that there was one"))
      }
      let start = geometry.segmentOffset(scan.header.segment)
      if let open = closed?.openSegments.first(where: { Int($0.segment) == scan.header.segment }) {
        let end = start + min(Int(open.lines) * lineSize, geometry.segmentSize)
        if scan.tail < end, !Mutant.reportsNoShortSegment.isActive {
          damage.append(
            Damage(
              kind: .record, offset: UInt64(scan.tail), length: UInt64(end - scan.tail),
              detail: "the segment ended later when the store was closed"))
        }
      } else if segments[index].isSettled, scan.sealOffset == nil, closed != nil || next[index] != nil,
        !Mutant.reportsNoMissingSeal.isActive
      {
        damage.append(
          Damage(
            kind: .record, offset: UInt64(scan.tail),
            length: UInt64(min(lineSize, start + geometry.segmentSize - scan.tail)),
            detail: "the seal that ends the segment, or a record before it, is not valid"))
      }
    }
  }
}
