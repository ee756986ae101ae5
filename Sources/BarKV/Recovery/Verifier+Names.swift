/// A valid record in the log that gives a key a value, be it the newest of its key or not.
struct StandingRecord {
  var place: Index.Place
  var line: Int
  var lines: Int
  var sequence: UInt64
}

/// The log against the index: every record that lives is named by it.
///
/// Which record lives cannot be told from the log alone, since tombstones are dropped before what they took out. But each
/// segment counts what is dead in it, and the counts are durable beside the runs: so the records of a segment that the
/// index names have to come to just what is not dead.
extension Verifier {
  /// What the index says about a segment's records.
  private struct Names {
    /// The lines of those that it names.
    var lines = 0
    /// Those of which it names an older one of the same key.
    var overtaken: [Int] = []
    /// The first one whose key it does not have.
    var absent: Int?
    /// Whether some of the index cannot be read, which is reported for itself.
    var isUnknown = false
  }

  /// Checks that the index names what lives in a segment, and nothing older.
  ///
  /// - Parameters:
  ///   - standing: the segment's records up to `end`.
  ///   - isWhole: whether there is nothing damaged among them, whose lines nobody can account for.
  mutating func checkNames(ofSegment segment: Int, _ standing: inout [StandingRecord], end: Int, isWhole: Bool) {
    // By partition: one that is not in memory is filled once.
    standing.sort { $0.place.partition < $1.place.partition }
    let names = names(of: standing, holdsAll: false)
    if names.isUnknown { return }
    if names.overtaken.isEmpty, !isWhole || names.lines == liveLines(of: segment) { return }
    // Wrong, or a write came in between: once more while none is half done.
    for partition in 0..<store.index.partitionCount { store.index.lock(partition).lock() }
    defer { for partition in 0..<store.index.partitionCount { store.index.lock(partition).unlock() } }
    let now = geometry.segmentOffset(segment) + log.segments.used(segment) * lineSize
    let isStillWhole = read(segment, from: min(end, now), to: now, into: &standing) && isWhole
    note(self.names(of: standing, holdsAll: true), segment, isWhole: isStillWhole)
  }

  /// The lines of a segment that are not dead.
  private func liveLines(of segment: Int) -> Int {
    let start = geometry.segmentOffset(segment)
    // The records of open reservations live, and no key names them.
    return log.segments.used(segment) - Geometry.segmentHeaderBytes / lineSize - log.segments.dead(segment)
      - log.reservations.recordLines(in: start..<start + geometry.segmentSize)
  }

  private mutating func note(_ names: Names, _ segment: Int, isWhole: Bool) {
    if names.isUnknown { return }
    for line in names.overtaken {
      note(.index, line * lineSize, lineSize, "the index names an older record of this key")
    }
    let live = liveLines(of: segment)
    guard names.overtaken.isEmpty, isWhole, names.lines != live else { return }
    let start = geometry.segmentOffset(segment)
    if names.lines < live {
      let place = names.absent.map { ($0 * lineSize, lineSize) } ?? (start, geometry.segmentSize)
      note(
        .index, place.0, place.1,
        "the index lacks records of this segment: \(live) lines of them live, and it names \(names.lines)")
    } else {
      note(
        .index, start, geometry.segmentSize,
        "the index names records of this segment that were replaced or deleted: \(live) lines of them live, and it names \(names.lines)"
      )
    }
  }

  /// - Parameter holdsAll: whether the caller holds all partitions.
  private func names(of standing: [StandingRecord], holdsAll: Bool) -> Names {
    var names = Names()
    for record in standing {
      guard let found = find(record, holdsAll: holdsAll) else {
        names.isUnknown = true
        return names
      }
      switch found {
      case .record(record.line): names.lines += record.lines
      case .record(let line):
        if let sequence = log.sequence(ofRecordAt: line * lineSize), sequence < record.sequence {
          names.overtaken.append(record.line)
        }
      case .absent, .notResident: names.absent = names.absent ?? record.line
      }
    }
    return names
  }

  /// What the index has for the record's key, or `nil` where that part of it cannot be read.
  private func find(_ record: StandingRecord, holdsAll: Bool) -> Index.Found? {
    guard let key = unsafe log.key(ofRecordAtLine: record.line) else { return .absent }
    while true {
      let found = store.index.find(record.place, matches: { [log] in unsafe log.record(atLine: $0, hasKey: key) })
      guard case .notResident = found else { return found }
      do throws(StoreError) {
        if holdsAll {
          try store.loader.load(record.place.partition)
        } else {
          try store.makeResident(record.place.partition)
        }
      } catch {
        return nil
      }
    }
  }
}
