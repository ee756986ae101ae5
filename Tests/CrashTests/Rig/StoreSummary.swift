@testable import BarKV

/// A store's contents in one pass: their digest, the lines they take by a count of its own, and what reading them loads.
struct StoreSummary {
  private(set) var digest: UInt64 = 0
  private(set) var keyCount = 0
  private(set) var liveLines = 0
  private(set) var tombstoneLines = 0
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
    var extents: Set<Int> = []
    for partition in 0..<store.index.partitionCount {
      for line in store.index.snapshot(partition) {
        guard let key = unsafe store.log.key(ofRecordAtLine: line) else {
          throw .damagedRecord(offset: UInt64(line * lineSize))
        }
        let value = try unsafe store.log.value(ofRecordAtLine: line, verifying: true)
        unsafe digest &+= ValueTable.digest(key: key, value: value)
        keyCount += 1
        let isExtent = store.isExtent(keyLength: key.count, valueLength: value.count)
        liveLines += Record.lines(
          keyLength: key.count, valueLength: isExtent ? ExtentReference.encodedBytes : value.count)
        tombstoneLines += 2 * Record.lines(keyLength: key.count, valueLength: 0) - 1
        if let reference = store.log.extentReference(ofRecordAtLine: line) {
          loads.append(reference.offset..<reference.offset + roundUp(reference.length, to: lineSize))
          liveLines += roundUp(reference.length, to: geometry.extentAlignment) / lineSize
          extents.insert(geometry.segment(at: reference.offset))
        }
      }
    }
    check(store, extents: extents)
  }

  /// Compares the store's figures with a fresh count.
  private mutating func check(_ store: Store, extents: Set<Int>) {
    let geometry = store.superblock.geometry
    freeSegments = store.log.space.freeCount
    if store.count != keyCount { fault = "\(keyCount) keys, \(store.count) counted" }
    if store.index.liveLines != liveLines { fault = "\(liveLines) live lines, \(store.index.liveLines) counted" }
    if store.index.tombstoneLines != tombstoneLines {
      fault = "\(tombstoneLines) lines for tombstones, \(store.index.tombstoneLines) counted"
    }
    var used = 0
    var segment = 0
    while segment < geometry.segmentCount {
      var span = 1
      switch store.log.segments.kind(segment) {
      case .free: break
      case .log:
        used += 1
        guard store.log.segments.used(segment) * lineSize <= Geometry.segmentHeaderBytes else { break }
        blankSegments += 1
        if !store.recovery.wasClosed { fault = "segment \(segment) holds nothing and is not free" }
      case .extents:
        span = unsafe max(1, Int(store.log.segments[segment].pointee.span))
        used += span
        if !extents.contains(segment) { fault = "extent segment \(segment) holds nothing and is not free" }
      }
      segment += span
    }
    if used + freeSegments != geometry.segmentCount {
      fault = "\(used) segments in use and \(freeSegments) free of \(geometry.segmentCount): some have leaked"
    }
  }
}
