/// Reading the log's tail.
extension Recovery {
  /// Reads what the segments have that is not from before the checkpoint: on all processors, long stretches in parts, so that
  /// it takes no longer where one segment has all of it.
  func scan(_ headers: [SegmentHeader], since checkpoint: Checkpoint?) -> [SegmentScan] {
    let parts = headers.map { header in
      let segment = geometry.segmentOffset(header.segment)
      let start = segment + (checkpoint?.openLines(header) ?? Geometry.segmentHeaderBytes / lineSize) * lineSize
      medium.note(load: start..<segment + geometry.segmentSize)
      return SegmentScan.parts(
        of: unsafe SegmentScan.range(header, from: start, region: medium.bytes, superblock: superblock))
    }
    let jobs = parts.enumerated().flatMap { segment, parts in parts.map { (segment: segment, range: $0) } }
    // Few, and each a megabyte or so; or many small ones.
    let scans = parallelMap(jobs.count, least: geometry.segmentSize < 64 << 10 ? 32 : 2) { [self] number in
      medium.prepareToRead(jobs[number].range)
      return scan(headers[jobs[number].segment], jobs[number].range, since: checkpoint)
    }
    var next = 0
    return zip(headers, parts).map { header, parts in
      let found = Array(scans[next..<next + parts.count])
      next += parts.count
      return SegmentScan.joined(found, segmentSize: geometry.segmentSize)
        ?? scan(header, parts[0].lowerBound..<Int.max, since: checkpoint)
    }
  }

  /// Reads the records of a segment that begin within a range.
  private func scan(_ header: SegmentHeader, _ range: Range<Int>, since checkpoint: Checkpoint?) -> SegmentScan {
    let seed = superblock.seed
    return unsafe SegmentScan(
      header, from: range.lowerBound, until: range.upperBound,
      atLeast: checkpoint?.sequence(header) ?? header.baseSequence, region: medium.bytes, superblock: superblock
    ) { key in
      unsafe KeyHash.of(key, seed: seed)
    }
  }
}
