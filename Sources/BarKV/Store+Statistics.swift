import Synchronization

extension Store {
  /// The store's figures. Writes that run at the same time may be in some of them and not yet in others.
  ///
  /// - Complexity: the number of segments and of partitions; no barrier, no lock that a put takes.
  public var statistics: StoreStatistics {
    let geometry = superblock.geometry
    var result = StoreStatistics(persistence: persistence)
    result.regionBytes = UInt64(geometry.regionBytes)
    result.segmentBytes = geometry.segmentSize
    result.segmentCount = geometry.segmentCount
    result.freeSegmentCount = log.space.freeCount
    result.laneCount = log.laneCount
    result.capacityBytes = UInt64(geometry.segmentCount) * UInt64(geometry.segmentSize)
    let free = result.freeSegmentCount * geometry.segmentSize + log.openRoom()
    result.freeBytes = min(UInt64(max(free, 0)), result.capacityBytes)
    let live = UInt64(max(index.liveLines, 0)) * UInt64(lineSize)
    result.liveBytes = min(live, result.capacityBytes - result.freeBytes)
    result.deadBytes = result.capacityBytes - result.freeBytes - result.liveBytes
    result.reservedBytes = min(UInt64(max(log.space.reservedLines, 0)) * UInt64(lineSize), result.freeBytes)
    result.keyCount = index.count
    result.barrierCount = medium.barrierCount
    result.mirror = medium.mirror?.statistics
    result.writeCount = writes.value
    result.sequence = log.sequence.load(ordering: .relaxed)
    result.ownerEpoch = log.ownerEpoch
    result.indexBytes = UInt64(index.byteCount)
    return result
  }
}
