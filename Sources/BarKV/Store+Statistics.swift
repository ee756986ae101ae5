import Synchronization

extension Store {
  /// The store's figures. Writes that run at the same time may be in some of them and not yet in others.
  ///
  /// After a crash, what the log's tail replaced is not in them until it was looked up: see ``count``, which waits for that.
  ///
  /// - Complexity: the number of segments and of partitions; no barrier, and no wait for a put or by one.
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
    let live = UInt64(max(log.liveLines, 0)) * UInt64(lineSize)
    result.liveBytes = min(live, result.capacityBytes - result.freeBytes)
    result.deadBytes = result.capacityBytes - result.freeBytes - result.liveBytes
    result.reservedBytes = min(
      UInt64(log.space.reservedSegments) * UInt64(geometry.segmentSize), result.freeBytes)
    result.keyCount = log.keyCount
    result.barrierCount = medium.barrierCount
    result.mirror = medium.mirror?.statistics
    result.writeCount = writes.value
    addPeers(to: &result)
    result.sequence = log.sequence
    result.ownerEpoch = log.ownerEpoch
    result.indexBytes = UInt64(index.byteCount)
    result.residentIndexBytes = UInt64(max(index.residentBytes, 0))
    result.metadataBytes = result.regionBytes - result.capacityBytes
    let runs = loader.runs
    result.runBytes = UInt64(runs.byteCount)
    result.runCount = runs.base.count + runs.deltas.count
    result.checkpointCount = maintenance.checkpoints.load(ordering: .relaxed)
    result.runBytesWritten = maintenance.runBytes.load(ordering: .relaxed)
    result.copiedBytes = maintenance.copiedBytes.load(ordering: .relaxed)
    let rooms = log.rooms()
    result.tailBytes = UInt64(max(log.tailBytes.value + rooms.unreported, 0))
    result.largestValueBytes = log.largestValue(rooms, limit: limits.maximumValueLength)
    result.usableBytes = UsableSpace(log).liveBytes
    return result
  }

  /// What is reserved and leased.
  private func addPeers(to result: inout StoreStatistics) {
    let (reservations, leases) = (reservations, leases)
    result.reservationCount = reservations.count
    result.reservationBytes = reservations.reduce(0) { $0 + UInt64($1.reservation.length) }
    result.quarantinedCount = reservations.count { $0.state == .quarantined }
    result.oldestReservationSeconds = reservations.map(\.ageSeconds).max()
    result.leaseCount = leases.count
    result.leaseBytes = leases.reduce(0) { $0 + UInt64($1.length) }
    result.oldestLeaseSeconds = leases.map(\.ageSeconds).max()
  }
}
