/// What is left in the segments that are open.
struct OpenRooms {
  /// The most bytes of records that one of the segments that writers append to has room for.
  var record = 0
  /// The most bytes of an extent that one of those that take extents has room for.
  var extent = 0
  /// The bytes of records that lanes have not added to the tail's length yet.
  var unreported = 0
}

/// Which value still fits.
extension Log {
  /// The longest key for which a record that refers to an extent takes one line.
  static var shortKey: Int { lineSize - Record.headerBytes - ExtentReference.encodedBytes }

  /// What is left in the open segments. A lane that is in use at this moment is left out.
  func rooms() -> OpenRooms {
    var rooms = OpenRooms()
    for lane in allLanes {
      // Not for a moment is a writer waited for; nor does one wait: it takes another lane.
      guard lock(lane).tryLock() else { continue }
      defer { lock(lane).unlock() }
      rooms.unreported += unsafe self[lane].pointee.unreported
      guard lane < laneCount else { continue }
      rooms.record = unsafe max(rooms.record, self[lane].pointee.room)
      if unsafe self[lane].pointee.extentSegment >= 0 {
        rooms.extent = unsafe max(
          rooms.extent, self[lane].pointee.extentLimit - self[lane].pointee.extentPosition)
      }
    }
    let least = space.partials.map(\.usedLines).min() ?? .max
    if least < geometry.segmentSize / lineSize {
      rooms.record = max(rooms.record, geometry.segmentSize - lineSize - least * lineSize)
    }
    return rooms
  }

  /// The longest value that a put of a short key finds room for, or `nil` where it finds none.
  func largestValue(_ rooms: OpenRooms, limit: Int) -> Int? {
    let free = space.freeCount
    let spare = free - space.reservedSegments
    // The segment that a record would open may bring new keys, for whose slots more is left.
    let possible = possibleKeys(newSegments: 1)
    func spareForRecords(opening: Int) -> Int { free - space.left(by: .put, keys: possible, opening: opening) }
    let opensForRecord = rooms.record < lineSize
    var largest: Int?
    func offer(_ bytes: Int) { if bytes >= 0 { largest = max(largest ?? 0, min(bytes, limit)) } }
    // A value in its record, in an open segment or in a fresh one.
    let room = spareForRecords(opening: 0) > 0 ? geometry.recordBytesPerSegment : rooms.record
    if room >= lineSize {
      offer(min(room - Record.headerBytes - Self.shortKey, geometry.extentThreshold - 1))
    }
    // A value in an extent, as long as there is room for its record, too: in an open segment of extents, in a fresh one, in
    // several neighbours.
    if rooms.extent >= geometry.extentThreshold, !opensForRecord || spareForRecords(opening: 0) > 0 {
      offer(rooms.extent)
    }
    var neighbours = min(space.longestFreeRun, spare)
    if opensForRecord { neighbours = min(neighbours, spareForRecords(opening: 0) - 1) }
    // One alone is a segment for extents of several values, which counts as one more to be in the next run.
    if neighbours == 1, opensForRecord, spareForRecords(opening: 1) <= 1 { neighbours = 0 }
    if neighbours > 0 { offer(neighbours * geometry.segmentSize - geometry.extentStart) }
    return largest
  }
}
