/// Leaving the region as decided.
extension Recovery {
  /// The line at which the log goes on after a crash, unless it is blank: a record that was torn there must not be made
  /// whole by the one that is written over it and torn in turn.
  private func tornStart(_ scan: SegmentScan, _ decided: LogVerdict.Segment) -> [Int] {
    if Mutant.keepsTornStart.isActive { return [] }
    let end = geometry.segmentOffset(scan.header.segment) + geometry.segmentSize
    guard !decided.isSettled, decided.cut < end, decided.cut < scan.tail || scan.hasBytesAtTail else { return [] }
    return [decided.cut]
  }

  /// Writes a copy of the superblock that is not valid anew, after the other: it may have been torn by a power cut in the
  /// creation, and would be taken for damage at each open.
  func repairSuperblock() throws(StoreError) {
    guard let offset = damagedSuperblock else { return }
    let encoded = superblock.encoded()
    try unsafe encoded.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
      try unsafe medium.write(bytes, at: offset, site: .superblock)
    }
    // A cut before this barrier leaves the copy as damaged as it was; the other is never written.
    try medium.barrier(offset..<offset + Superblock.encodedBytes, site: .superblock)
  }

  /// Leaves the region as decided: what was dropped can never be taken for a record again, and what was kept is durable,
  /// before anything is answered from it.
  func settle(
    _ survey: Survey, _ scans: [SegmentScan], _ verdict: LogVerdict, log: Log, freeing unused: [Int], isClosed: Bool
  ) throws(StoreError) {
    var changed = false
    // Later segments of a chain first: a crash between leaves them orphans still.
    let order = scans.indices.sorted {
      (scans[$0].header.generation > scans[$1].header.generation) != Mutant.erasesInOrder.isActive
    }
    let zeros = [UInt8](repeating: 0, count: lineSize)
    for index in order {
      let decided = verdict.segments[index]
      if scans[index].isEmpty(decided, geometry: geometry) {
        try SegmentHeader.erase(
          segment: scans[index].header.segment, in: medium, geometry: geometry, site: .erasedSegment)
        changed = true
        continue
      }
      let dropped = Mutant.keepsDropped.isActive ? [] : scans[index].droppedRecords(decided)
      let hidden =
        decided.isSettled || Mutant.keepsHidden.isActive ? [] : scans[index].hidden.filter { $0 >= decided.cut }
      for offset in dropped + hidden + tornStart(scans[index], decided) {
        try unsafe zeros.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
          try unsafe medium.write(line, at: offset, site: .erasedRecord)
        }
        changed = true
      }
    }
    for segment in survey.unreadable {
      try SegmentHeader.erase(segment: segment, in: medium, geometry: geometry, site: .erasedHeader)
      changed = true
    }
    if isClosed || Mutant.freesExtentsFirst.isActive { changed = try free(unused) || changed }
    for (segment, copy) in survey.damagedCopies where !unused.contains(segment) {
      guard let header = survey.all.first(where: { $0.segment == segment }),
        !zip(scans, verdict.segments).contains(where: {
          $0.header.segment == segment && $0.isEmpty($1, geometry: geometry)
        })
      else { continue }
      try header.writeCopy(copy, to: medium, superblock: superblock)
      changed = true
    }
    // A seal in the frontier's place ends what the frontier hides.
    for (scan, decided) in zip(scans, verdict.segments)
    where scan.isBounded && (scan.losesProof(decided) || isEndDamaged(scan, decided, log: log)) {
      let start = geometry.segmentOffset(scan.header.segment)
      try log.clearBehindFrontier(
        Space.Partial(
          segment: scan.header.segment, usedLines: (decided.cut - start) / lineSize, isClear: false))
    }
    for (scan, decided) in zip(scans, verdict.segments) where isEndDamaged(scan, decided, log: log) {
      try writeSeal(scan.header, site: .endSeal)
      changed = true
    }
    guard changed || !isClosed else { return }
    for (scan, decided) in zip(scans, verdict.segments) where !decided.isSettled && decided.cut > 0 {
      // A process that was killed leaves its last stores in caches: readable, and not durable. A reader must not be
      // shown what a power cut could still take.
      let start = geometry.segmentOffset(scan.header.segment)
      let from = max(start, min(decided.settledUpTo, decided.cut))
      try medium.flush(start..<start + Geometry.segmentHeaderBytes, site: .acceptedHeader)
      try medium.flush(from..<decided.cut, site: .acceptedRecords)
      // Accepted records whose frontier is lost would be lost with it.
      let last = Frontier.offset(scan.header.segment, geometry)
      if superblock.hasFrontiers { try medium.flush(last..<last + lineSize, site: .acceptedRecords) }
    }
    for header in survey.extents where !unused.contains(header.segment) {
      let start = geometry.segmentOffset(header.segment)
      try medium.flush(start..<start + Geometry.segmentHeaderBytes, site: .acceptedExtents)
    }
    try medium.barrier(0..<medium.length, site: .recoveryAccept)
    // Not before what was dropped is gone for good: the seal would settle that, too.
    let unproven = zip(scans, verdict.segments).filter { $0.losesProof($1) }
    if !unproven.isEmpty {
      for (scan, _) in unproven { try writeSeal(scan.header, site: .proofSeal) }
      try medium.barrier(0..<medium.length, site: .proofSeal)
    }
    // What replaced an extent's value is durable only now: erased before, both could be lost.
    if !isClosed, try free(unused) { try medium.barrier(0..<medium.length, site: .erasedExtents) }
  }

  /// Erases the headers of extent segments that no key needs; whether there are any.
  private func free(_ segments: [Int]) throws(StoreError) -> Bool {
    for segment in segments {
      try SegmentHeader.erase(segment: segment, in: medium, geometry: geometry, site: .erasedExtents)
    }
    return !segments.isEmpty
  }

  /// Whether the segment was whole once, and has lost its seal or what was its end since.
  private func isEndDamaged(_ scan: SegmentScan, _ decided: LogVerdict.Segment, log: Log) -> Bool {
    decided.isSettled && scan.sealOffset == nil
      && log.segments.used(scan.header.segment) == geometry.segmentSize / lineSize
  }

  /// Writes a settled seal into the line that is kept for one. It goes on saying that what is not valid before it is damage:
  /// the manifest of the last close says so only until the next owner crashes.
  private func writeSeal(_ header: SegmentHeader, site: MediumSite) throws(StoreError) {
    let line = Record.settledSeal(salt: header.salt(seed: superblock.seed))
    let offset = geometry.segmentOffset(header.segment) + geometry.segmentSize - lineSize
    try unsafe line.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
      try unsafe medium.write(line, at: offset, site: site)
    }
  }
}
