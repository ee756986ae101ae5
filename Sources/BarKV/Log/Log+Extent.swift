/// Extents: values that are too long for a record, in segments of their own, contiguous and page-aligned.
extension Log {
  /// Writes `value` into a new extent. It is durable after a barrier that covers the range that is returned with it, and
  /// it means nothing until a record refers to it: a crash before that leaves bytes that the next recovery reclaims.
  ///
  /// Its lines count as dead until a record that refers to it is published.
  ///
  /// - Throws: ``StoreError/full``; what the medium throws.
  func writeExtent(_ value: UnsafeRawBufferPointer) throws(StoreError) -> (
    reference: ExtentReference, range: Range<Int>
  ) {
    try unsafe write(
      value, at: placeExtent(bytes: value.count, alignment: geometry.extentAlignment), site: .extent)
  }

  /// Writes a copy of an extent that shares its segment with others, away from those of writers. The caller has the turn of
  /// maintenance. As ``writeExtent(_:)`` otherwise.
  func copyExtent(_ value: UnsafeRawBufferPointer) throws(StoreError) -> (
    reference: ExtentReference, range: Range<Int>
  ) {
    try unsafe write(value, at: placeCopy(bytes: value.count), site: .copy)
  }

  private func write(
    _ value: UnsafeRawBufferPointer, at place: (segment: Int, offset: Int), site: MediumSite
  ) throws(StoreError) -> (reference: ExtentReference, range: Range<Int>) {
    let entry = unsafe segments[place.segment]
    let reference = unsafe ExtentReference(
      offset: place.offset, length: value.count, checksum: Checksum.of(value, seed: entry.pointee.salt),
      generation: entry.pointee.generation)
    let whole = value.count & ~(lineSize - 1)
    if whole > 0 {
      try unsafe medium.write(UnsafeRawBufferPointer(rebasing: value[..<whole]), at: place.offset, site: site)
    }
    if whole < value.count {
      var last = [UInt8](repeating: 0, count: lineSize)
      unsafe last.withUnsafeMutableBytes {
        unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: value[whole...]))
      }
      try unsafe last.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
        try unsafe medium.write(line, at: place.offset + whole, site: site)
      }
    }
    // From the segment's start: another thread may have written the header, and the reference needs it too.
    let start = Mutant.extentBarrierWithoutHeader.isActive ? place.offset : geometry.segmentOffset(place.segment)
    return (reference, start..<place.offset + roundUp(value.count, to: lineSize))
  }

  /// The lines that an extent of `bytes` takes up. One that has segments of its own may end before its last page does.
  func extentLines(bytes: Int) -> Int {
    let span = geometry.segmentSpan(extentBytes: bytes)
    let lines = roundUp(bytes, to: geometry.extentAlignment) / lineSize
    return span == 1 ? lines : min(lines, (span * geometry.segmentSize - geometry.extentStart) / lineSize)
  }

  /// The most bytes of an extent that shares its segment with others.
  var longestSharedExtent: Int { geometry.segmentSize - geometry.extentStart }

  /// Places a run of `bytes` bytes in the maintenance lane, which the caller holds, and writes it: `fill` gets the salt
  /// that its checksums start from. It is durable after a barrier that covers the range that is returned.
  ///
  /// - Throws: ``StoreError/full`` where not even the last free segment is left.
  func writeRun(
    bytes: Int, fill: (UInt32) -> [UInt8]
  ) throws(StoreError) -> (offset: Int, generation: UInt64, range: Range<Int>) {
    assert(bytes <= longestSharedExtent && bytes % lineSize == 0)
    let lane = maintenanceLane
    var opens = false
    if takeRoom(lane, bytes: bytes, alignment: geometry.extentAlignment) == nil {
      guard let fresh = space.take(1, purpose: .run) else { throw .full }
      space.countRunSegments(1)
      try openExtents(lane, fresh[0], kind: .runs)
      opens = true
    }
    guard let place = takeFromOpenExtents(lane, bytes: bytes, alignment: geometry.extentAlignment) else { throw .full }
    let entry = unsafe segments[place.segment]
    let content = unsafe fill(entry.pointee.salt)
    assert(content.count == bytes)
    space.setRunRoom(unsafe self[lane].pointee.extentLimit - self[lane].pointee.extentPosition)
    try unsafe content.span.bytes.withUnsafeBytes { (content) throws(StoreError) in
      try unsafe medium.write(content, at: place.offset, site: .run)
    }
    // With the header, where the segment is new: without it the run's checksums have nothing to start from.
    let start = opens ? geometry.segmentOffset(place.segment) : place.offset
    return unsafe (place.offset, entry.pointee.generation, start..<place.offset + bytes)
  }

  /// Where the lane's open extents have room for so many bytes.
  private func takeRoom(_ lane: Int, bytes: Int, alignment: Int) -> Int? {
    let state = unsafe self[lane]
    let size = roundUp(bytes, to: geometry.extentAlignment)
    let start = roundUp(unsafe state.pointee.extentPosition, to: alignment)
    guard unsafe state.pointee.extentSegment >= 0, unsafe state.pointee.extentLimit - start >= size else { return nil }
    return start
  }

  /// Opens a segment for extents and makes it the lane's.
  private func openExtents(_ lane: Int, _ segment: Int, kind: SegmentKind) throws(StoreError) {
    try openExtentSegment(segment, span: 1, kind: kind)
    let state = unsafe self[lane]
    unsafe state.pointee.extentSegment = segment
    unsafe state.pointee.extentPosition = geometry.segmentOffset(segment) + geometry.extentStart
    unsafe state.pointee.extentLimit = geometry.segmentOffset(segment) + geometry.segmentSize
  }

  /// Takes segments of extents away from the lanes that would go on in them. The caller holds all lanes.
  func leaveExtentSegment(_ segment: Int) {
    for lane in allLanes where unsafe self[lane].pointee.extentSegment == segment {
      unsafe self[lane].pointee.extentSegment = -1
      if lane == maintenanceLane { space.setRunRoom(0) }
    }
  }

  /// Finds room for an extent that starts at a multiple of `alignment`, which is a power of two, and at least that of all
  /// extents and at most half a segment. Its lines are dead, and the segment stays as long as the extent is *pending*.
  func placeExtent(bytes: Int, alignment: Int) throws(StoreError) -> (segment: Int, offset: Int) {
    let first = roundUp(geometry.extentStart, to: alignment)
    let span = (first + bytes + geometry.segmentSize - 1) / geometry.segmentSize
    guard span == 1 else {
      // With a lane: a cut in between would take the generation for an earlier one, and the segment for a free one.
      let lane = acquireLane()
      defer { release(lane) }
      guard let segment = space.takeNeighbours(span) else { throw .full }
      segments.addPending(1, segment: segment)
      try openExtentSegment(segment, span: span, kind: .extents)
      segments.setUsed(
        min(first / lineSize + extentLines(bytes: bytes), span * geometry.segmentSize / lineSize),
        segment: segment)
      segments.addDead(
        segments.used(segment) - geometry.extentStart / lineSize, segment: segment)
      // A checkpoint that comes before the value's barrier makes the header durable.
      try medium.fence(site: .extentHeader)
      return (segment, geometry.segmentOffset(segment) + first)
    }
    let lane = acquireLane()
    if let place = takePending(lane, bytes: bytes, alignment: alignment) {
      release(lane)
      return place
    }
    if let fresh = space.take(1, purpose: .put) {
      defer { release(lane) }
      try openExtents(lane, fresh[0], kind: .extents)
      // The next to write an extent here may be another thread, whose barrier then has to cover this header.
      try medium.fence(site: .extentHeader)
      guard let place = takePending(lane, bytes: bytes, alignment: alignment) else { throw .full }
      return place
    }
    release(lane)
    for other in 0..<laneCount {
      lock(other).lock()
      defer { release(other) }
      if let place = takePending(other, bytes: bytes, alignment: alignment) { return place }
    }
    throw .full
  }

  private func placeCopy(bytes: Int) throws(StoreError) -> (segment: Int, offset: Int) {
    let lane = extentCopyLane
    lock(lane).lock()
    defer { release(lane) }
    if let place = takePending(lane, bytes: bytes, alignment: geometry.extentAlignment) { return place }
    guard let fresh = takeReserve(.copy) else { throw .full }
    try openExtents(lane, fresh[0], kind: .extents)
    // A checkpoint that comes before the copy's barrier makes the header durable.
    try medium.fence(site: .extentHeader)
    guard let place = takePending(lane, bytes: bytes, alignment: geometry.extentAlignment) else { throw .full }
    return place
  }

  /// The lines that copies of extents find without another segment. The caller has the turn of maintenance.
  var extentRoomForCopies: Int {
    let lane = extentCopyLane
    lock(lane).lock()
    defer { release(lane) }
    let state = unsafe self[lane]
    guard unsafe state.pointee.extentSegment >= 0 else { return 0 }
    return unsafe (state.pointee.extentLimit - state.pointee.extentPosition) / lineSize
  }

  /// The segments in which lanes go on placing extents.
  func openExtentSegments() -> Set<Int> {
    var open = Set<Int>()
    for lane in allLanes {
      lock(lane).lock()
      unsafe open.insert(self[lane].pointee.extentSegment)
      release(lane)
    }
    return open
  }

  /// Takes room for an extent that a record will refer to. The caller holds the lane, so that no cut comes in between.
  private func takePending(_ lane: Int, bytes: Int, alignment: Int) -> (segment: Int, offset: Int)? {
    let place = takeFromOpenExtents(lane, bytes: bytes, alignment: alignment)
    if let place { segments.addPending(1, segment: place.segment) }
    return place
  }

  /// Gives up an extent that no record will refer to: its lines stay dead.
  func abandon(_ extent: ExtentReference) {
    segments.addPending(-1, segment: geometry.segment(at: extent.offset))
  }

  private func takeFromOpenExtents(_ lane: Int, bytes: Int, alignment: Int) -> (segment: Int, offset: Int)? {
    guard let offset = takeRoom(lane, bytes: bytes, alignment: alignment) else { return nil }
    let state = unsafe self[lane]
    let end = offset + roundUp(bytes, to: geometry.extentAlignment)
    let segment = unsafe state.pointee.extentSegment
    segments.setUsed((end - geometry.segmentOffset(segment)) / lineSize, segment: segment)
    // With what was passed over for the alignment.
    segments.addDead(unsafe (end - state.pointee.extentPosition) / lineSize, segment: segment)
    unsafe state.pointee.extentPosition = end
    return (segment, offset)
  }

  /// Gives a lane an extent segment that an earlier owner left room in.
  func adoptExtentSegment(_ lane: Int, _ segment: Int) {
    let state = unsafe self[lane]
    let start = geometry.segmentOffset(segment)
    unsafe state.pointee.extentSegment = segment
    unsafe state.pointee.extentPosition = start + segments.used(segment) * lineSize
    unsafe state.pointee.extentLimit = start + geometry.segmentSize
  }

  private func openExtentSegment(_ segment: Int, span: Int, kind: SegmentKind) throws(StoreError) {
    let header = SegmentHeader(
      kind: kind, segment: segment, span: span, generation: takeGeneration(),
      baseSequence: sequence, previousGeneration: 0)
    try header.write(to: medium, superblock: superblock, site: .extentHeader)
    segments.adopt(header, salt: header.salt(seed: superblock.seed), usedLines: geometry.extentStart / lineSize)
  }

  /// The bytes that `reference` names, if it is one into the current use of an extent segment.
  @inline(__always)
  func extent(_ reference: ExtentReference) -> UnsafeRawBufferPointer? {
    let offset = reference.offset
    guard offset >= geometry.firstSegment, offset < medium.length else { return nil }
    let segment = geometry.segment(at: offset)
    guard segment < segments.count else { return nil }
    let entry = unsafe segments[segment]
    guard unsafe entry.pointee.generation == reference.generation || Mutant.acceptsOldExtent.isActive,
      segments.kind(segment) == .extents,
      offset - geometry.segmentOffset(segment) >= geometry.extentStart,
      unsafe reference.length
        <= geometry.segmentOffset(segment) + Int(entry.pointee.span) * geometry.segmentSize - offset
    else { return nil }
    return unsafe UnsafeRawBufferPointer(rebasing: medium.bytes[offset..<offset + reference.length])
  }
}
