@testable import BarKV

/// A store's contents in one pass: their digest, the lines they take by a count of its own, and what reading them loads.
struct StoreSummary {
  private(set) var digest: UInt64 = 0
  private(set) var keyCount = 0
  private(set) var liveLines = 0
  /// The extents that were read.
  private(set) var loads: [Range<Int>] = []
  private(set) var freeSegments = 0
  /// Log segments without a record. A write that was refused had opened them, and a close kept them open: the next owner
  /// may go on in them, and the one after a crash finds them free.
  private(set) var blankSegments = 0
  /// What does not add up, if anything does not.
  private(set) var fault: String?

  init(of store: Store) throws(StoreError) {
    let geometry = store.superblock.geometry
    /// The lines that live in each segment.
    var live: [Int: Int] = [:]
    for partition in 0..<store.index.partitionCount {
      for line in try store.lines(of: partition) {
        guard let key = unsafe store.log.key(ofRecordAtLine: line) else {
          throw .damagedRecord(offset: UInt64(line * lineSize))
        }
        let value = try unsafe store.log.value(ofRecordAtLine: line, verifying: true)
        unsafe digest &+= ValueTable.digest(key: key, value: value)
        keyCount += 1
        // What a peer wrote is in an extent however short it is.
        let isExtent = store.log.extentReference(ofRecordAtLine: line) != nil
        let lines = Record.lines(
          keyLength: key.count, valueLength: isExtent ? ExtentReference.encodedBytes : value.count)
        liveLines += lines
        live[geometry.segment(at: line * lineSize), default: 0] += lines
        if let reference = store.log.extentReference(ofRecordAtLine: line) {
          loads.append(reference.offset..<reference.offset + roundUp(reference.length, to: lineSize))
          let lines = store.log.extentLines(bytes: reference.length)
          liveLines += lines
          live[geometry.segment(at: reference.offset), default: 0] += lines
        }
      }
    }
    for entry in store.log.reservations.all {
      live[geometry.segment(at: entry.recordOffset), default: 0] += entry.recordLines
      let place = entry.record.offset..<entry.record.offset + roundUp(entry.record.length, to: lineSize)
      if loads.contains(where: { $0.overlaps(place) }) { fault = "a value stands where a peer may write" }
    }
    check(store, live: live)
  }

  /// Compares the store's figures with a fresh count.
  private mutating func check(_ store: Store, live: [Int: Int]) {
    let geometry = store.superblock.geometry
    let reserved = Set(store.log.reservations.all.map { geometry.segment(at: $0.record.offset) })
    freeSegments = store.log.space.freeCount
    if store.count != keyCount { fault = "\(keyCount) keys, \(store.count) counted" }
    if store.log.liveLines != liveLines { fault = "\(liveLines) live lines, \(store.log.liveLines) counted" }
    var used = 0
    var segment = 0
    while segment < geometry.segmentCount {
      var span = 1
      switch store.log.segments.kind(segment) {
      case .free: break
      case .log:
        used += 1
        checkDead(store, segment, live: live[segment] ?? 0, header: Geometry.segmentHeaderBytes / lineSize)
        if store.log.segments.used(segment) * lineSize <= Geometry.segmentHeaderBytes { blankSegments += 1 }
      case .extents:
        if store.log.segments.hasPending(segment) != reserved.contains(segment) {
          fault = "segment \(segment) is kept for extents that nobody writes, or not for those that are reserved"
        }
        span = unsafe max(1, Int(store.log.segments[segment].pointee.span))
        used += span
        checkDead(store, segment, live: live[segment] ?? 0, header: geometry.extentStart / lineSize)
      case .runs:
        used += 1
        let runs = store.maintenance.turn.withLock { $0.base + $0.deltas }
        let lines = runs.filter { geometry.segment(at: $0.offset) == segment }.reduce(0) { $0 + $1.lines(geometry) }
        checkDead(store, segment, live: lines, header: geometry.extentStart / lineSize)
      }
      segment += span
    }
    let leaving = store.maintenance.turn.withLock { $0.leaving.reduce(0) { $0 + $1.span } }
    if leaving > 0 { fault = "\(leaving) segments wait for readers that are not there" }
    if used + freeSegments != geometry.segmentCount {
      fault = "\(used) segments in use and \(freeSegments) free of \(geometry.segmentCount): some have leaked"
    }
  }

  /// Compares the dead lines that are counted for a segment with what is left of it beside the live ones.
  private mutating func checkDead(_ store: Store, _ segment: Int, live: Int, header: Int) {
    let (used, dead) = (store.log.segments.used(segment), store.log.segments.dead(segment))
    if used - header - live != dead {
      fault = "segment \(segment): \(used) lines in use, \(live) live, \(dead) counted as dead"
    }
  }
}
