/// Fills the index from the log: every record that counts is offered, in any order, and for each key the highest sequence
/// number wins.
struct Replay {
  let log: Log
  let index: Index

  /// Offers all records of all segments, in parallel over segments.
  func run(_ scans: [SegmentScan], _ verdict: LogVerdict) {
    inParallel(scans.count) { number in
      let cut = verdict.segments[number].cut
      for entry in scans[number].entries where entry.offset < cut {
        if Mutant.skipsTombstones.isActive, log.footprint(ofRecordAtLine: entry.offset / lineSize).isDelete { continue }
        offer(entry)
      }
    }
    // A tombstone stood in for its key, so that older records that came later lost against it; now it can go.
    inParallel(index.partitionCount) { partition in
      index.lock(partition).lock()
      defer { index.lock(partition).unlock() }
      index.removeAll(in: partition) { line in log.footprint(ofRecordAtLine: line).isDelete }
    }
    countDead()
  }

  private func offer(_ entry: SegmentScan.Entry) {
    let place = index.place(entry.hash)
    let line = entry.offset / lineSize
    let new = contribution(log.footprint(ofRecordAtLine: line))
    guard let key = unsafe log.key(ofRecordAtLine: line) else { return }
    index.lock(place.partition).lock()
    defer { index.lock(place.partition).unlock() }
    guard let existing = index.position(place, matches: { unsafe log.record(atLine: $0, hasKey: key) }) else {
      return index.insert(place, line: line, change: new)
    }
    guard let other = log.sequence(ofRecordAt: existing.line * lineSize),
      other < entry.sequence || Mutant.lastReadWins.isActive
    else { return }
    let old = contribution(log.footprint(ofRecordAtLine: existing.line))
    index.replace(
      place, at: existing.position, line: line,
      change: Index.Change(
        keys: new.keys - old.keys, liveLines: new.liveLines - old.liveLines,
        tombstoneLines: new.tombstoneLines - old.tombstoneLines))
  }

  private func contribution(_ footprint: Log.Footprint) -> Index.Change {
    footprint.isDelete
      ? Index.Change()
      : Index.Change(keys: 1, liveLines: footprint.totalLines, tombstoneLines: footprint.tombstoneLines)
  }

  /// Counts, for each log segment, the lines that no key needs: all in use, less the live ones.
  private func countDead() {
    for segment in 0..<log.segments.count where log.segments.kind(segment) == .log {
      log.segments.addDead(log.segments.used(segment) - Geometry.segmentHeaderBytes / lineSize, segment: segment)
    }
    inParallel(index.partitionCount) { partition in
      for line in index.snapshot(partition) {
        let footprint = log.footprint(ofRecordAtLine: line)
        log.segments.addDead(-footprint.lines, segment: log.geometry.segment(at: line * lineSize))
      }
    }
  }

  /// Finds out how far each extent segment is in use, and lets lanes go on in those with room.
  ///
  /// - Returns: the extent segments that no key needs: their values were replaced, or never committed.
  func findExtents(_ headers: [SegmentHeader]) -> [SegmentHeader] {
    guard !headers.isEmpty else { return [] }
    let parts = parallelMap(index.partitionCount) { partition in
      var ends: [Int: (end: Int, lines: Int)] = [:]
      for line in index.snapshot(partition) {
        guard let reference = log.extentReference(ofRecordAtLine: line),
          unsafe log.extent(reference) != nil
        else { continue }
        let segment = log.geometry.segment(at: reference.offset)
        let lines = log.extentLines(bytes: reference.length)
        let end = (reference.offset - log.geometry.segmentOffset(segment)) / lineSize + lines
        let known = ends[segment] ?? (0, 0)
        ends[segment] = (max(known.end, end), known.lines + lines)
      }
      return ends
    }
    var unused: [SegmentHeader] = []
    var lane = 0
    for header in headers {
      let found = parts.compactMap { $0[header.segment] }
      guard let end = found.map(\.end).max() else {
        unused.append(header)
        continue
      }
      let start = log.geometry.extentStart / lineSize
      let total = header.span * log.geometry.segmentSize / lineSize
      log.segments.setUsed(min(end, total), segment: header.segment)
      log.segments.addDead(max(0, end - start - found.reduce(0) { $0 + $1.lines }), segment: header.segment)
      if header.span == 1, end < total, lane < log.laneCount {
        log.adoptExtentSegment(lane, header.segment)
        lane += 1
      }
    }
    return unused
  }
}
