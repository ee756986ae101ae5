/// Extents: values that are too long for a record, in segments of their own, contiguous and page-aligned.
extension Log {
  /// Writes `value` into a new extent. It is durable after a barrier that covers the range that is returned with it, and
  /// it means nothing until a record refers to it: a crash before that leaves bytes that the next recovery reclaims.
  ///
  /// - Parameter credit: lines to set aside beside it: the caller's tombstone.
  /// - Throws: ``StoreError/full``; what the medium throws.
  func writeExtent(_ value: UnsafeRawBufferPointer) throws(StoreError) -> (
    reference: ExtentReference, range: Range<Int>
  ) {
    let place = try placeExtent(bytes: value.count)
    let entry = unsafe segments[place.segment]
    let reference = unsafe ExtentReference(
      offset: place.offset, length: value.count, checksum: Checksum.of(value, seed: entry.pointee.salt),
      generation: entry.pointee.generation)
    let whole = value.count & ~(lineSize - 1)
    if whole > 0 {
      try unsafe medium.write(UnsafeRawBufferPointer(rebasing: value[..<whole]), at: place.offset, site: .extent)
    }
    if whole < value.count {
      var last = [UInt8](repeating: 0, count: lineSize)
      unsafe last.withUnsafeMutableBytes {
        unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: value[whole...]))
      }
      try unsafe last.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
        try unsafe medium.write(line, at: place.offset + whole, site: .extent)
      }
    }
    // From the segment's start: another thread may have written the header, and the reference needs it too.
    let start = Mutant.extentBarrierWithoutHeader.isActive ? place.offset : geometry.segmentOffset(place.segment)
    return (reference, start..<place.offset + roundUp(value.count, to: lineSize))
  }

  /// The lines that an extent of `bytes` takes up.
  func extentLines(bytes: Int) -> Int {
    roundUp(bytes, to: geometry.extentAlignment) / lineSize
  }

  private func placeExtent(bytes: Int) throws(StoreError) -> (segment: Int, offset: Int) {
    let span = geometry.segmentSpan(extentBytes: bytes)
    guard span == 1 else {
      guard let segment = space.takeNeighbours(span, credit: 0) else { throw .full }
      try openExtentSegment(segment, span: span)
      segments.setUsed(
        min(geometry.extentStart / lineSize + extentLines(bytes: bytes), span * geometry.segmentSize / lineSize),
        segment: segment)
      return (segment, geometry.segmentOffset(segment) + geometry.extentStart)
    }
    let lane = acquireLane()
    if let place = takeFromOpenExtents(lane, bytes: bytes) {
      release(lane)
      return place
    }
    if let fresh = space.take(1, credit: 0, purpose: .put) {
      defer { release(lane) }
      try openExtentSegment(fresh[0], span: 1)
      // The next to write an extent here may be another thread, whose barrier then has to cover this header.
      try medium.fence(site: .extentHeader)
      let state = unsafe self[lane]
      unsafe state.pointee.extentSegment = fresh[0]
      unsafe state.pointee.extentPosition = geometry.segmentOffset(fresh[0]) + geometry.extentStart
      unsafe state.pointee.extentLimit = geometry.segmentOffset(fresh[0]) + geometry.segmentSize
      guard let place = takeFromOpenExtents(lane, bytes: bytes) else { throw .full }
      return place
    }
    release(lane)
    for other in 0..<laneCount {
      lock(other).lock()
      defer { release(other) }
      if let place = takeFromOpenExtents(other, bytes: bytes) { return place }
    }
    throw .full
  }

  private func takeFromOpenExtents(_ lane: Int, bytes: Int) -> (segment: Int, offset: Int)? {
    let state = unsafe self[lane]
    let size = roundUp(bytes, to: geometry.extentAlignment)
    guard unsafe state.pointee.extentSegment >= 0,
      unsafe state.pointee.extentLimit - state.pointee.extentPosition >= size
    else { return nil }
    let offset = unsafe state.pointee.extentPosition
    unsafe state.pointee.extentPosition += size
    let segment = unsafe state.pointee.extentSegment
    segments.setUsed((offset + size - geometry.segmentOffset(segment)) / lineSize, segment: segment)
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

  private func openExtentSegment(_ segment: Int, span: Int) throws(StoreError) {
    let header = SegmentHeader(
      kind: .extents, segment: segment, span: span, generation: takeGeneration(),
      baseSequence: sequence.load(ordering: .relaxed), previousGeneration: 0)
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
