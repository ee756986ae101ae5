/// Reading the segments' headers, and the checkpoint that says what they held.
extension Recovery {
  /// Reads all headers in the light of the newest checkpoint, and the runs that it names.
  ///
  /// Where the checkpoint and the region contradict each other, something is damaged that the index cannot do without:
  /// then the whole log is read, as if there had been no checkpoint, and the damage is reported.
  mutating func surveyFromCheckpoint(_ manifest: Manifest?) -> (survey: Survey, checkpoint: Checkpoint?, runs: [Run]) {
    guard let checkpoint = manifest?.checkpoint, !options.rebuildsIndex else {
      return (survey(nil, freed: manifest?.checkpoint), nil, [])
    }
    let survey = survey(checkpoint, freed: checkpoint)
    var runs: [Run] = []
    var damage: Damage?
    for segment in survey.lost {
      damage = Damage(
        kind: .segmentHeader, offset: UInt64(geometry.segmentOffset(segment)), length: UInt64(geometry.segmentSize),
        detail: "the segment's header is not what the last checkpoint found; the index was built anew from the log")
    }
    for (reference, run) in zip(checkpoint.runs, readRuns(checkpoint.runs, homes: survey.runs)) {
      if let run {
        runs.append(run)
        continue
      }
      damage = Damage(
        kind: .index, offset: reference.offset, length: UInt64(Run.headerBytes),
        detail: "a run of the index is not valid; the index was built anew from the log")
    }
    if damage == nil, !connect(&runs) {
      damage = Damage(
        kind: .index, offset: UInt64(geometry.manifestOffset(0)), length: UInt64(geometry.manifestStride),
        detail: "the index's runs do not follow one another; the index was built anew from the log")
    }
    guard let damage else { return (survey, checkpoint, runs) }
    note(damage)
    return (self.survey(nil, freed: checkpoint), nil, [])
  }

  /// The runs that `references` name; `nil` for each whose header is not a whole one. Read as the segments' headers are, and
  /// for the same reason: each is the first touch of a page.
  private func readRuns(_ references: [RunReference], homes: [SegmentHeader]) -> [Run?] {
    let homes = Dictionary(
      uniqueKeysWithValues: homes.map {
        ($0.generation, (segment: $0.segment, salt: $0.salt(seed: superblock.seed)))
      })
    let places = references.map { reference -> (header: Range<Int>, end: Int, salt: UInt32)? in
      guard let home = homes[reference.generation] else { return nil }
      let start = geometry.segmentOffset(home.segment)
      let end = start + geometry.segmentSize
      guard let header = Run.header(reference, in: start + geometry.extentStart..<end) else { return nil }
      medium.note(load: header)
      return (header, end, home.salt)
    }
    return inGroups(references.count) { [medium] positions in
      unsafe withUnsafeTemporaryAllocation(byteCount: Run.headerBytes, alignment: 8) { line in
        positions.map { position in
          guard let place = places[position] else { return nil }
          let isRead = unsafe medium.read(into: line, at: place.header.lowerBound)
          let header = unsafe UnsafeRawBufferPointer(
            rebasing: isRead ? UnsafeRawBufferPointer(line)[...] : medium.bytes[place.header])
          return unsafe Run(references[position], header: header, end: place.end, salt: place.salt)
        }
      }
    }
  }

  /// Finds out what each base run is in force for; whether they cover all places one after the other.
  private func connect(_ runs: inout [Run]) -> Bool {
    var next: UInt64 = 0
    var newer = UInt64.max
    for position in runs.indices where runs[position].isBase {
      let range = runs[position].range
      guard range.lowerBound <= next, next < range.upperBound,
        // Only a newer one takes over a part of another's.
        range.lowerBound == next || runs[position].number < newer
      else { return false }
      runs[position].start = next
      next = range.upperBound
      newer = runs[position].number
    }
    return next == RunEntry.keyLimit || !runs.contains(where: \.isBase)
  }

  /// - Parameters:
  ///   - checkpoint: what came before it is not read again; `nil` where all is the tail.
  ///   - freed: says which segments were free once more, whatever their headers say.
  private func survey(_ checkpoint: Checkpoint?, freed: Checkpoint?) -> Survey {
    var survey = Survey()
    let headers = readHeaders()
    let runs = Set(checkpoint?.runs.map(\.generation) ?? [])
    var segment = 0
    while segment < geometry.segmentCount {
      var span = 1
      let start = geometry.segmentOffset(segment)
      medium.note(load: start..<start + Geometry.segmentHeaderBytes)
      let use = freed?.segments[segment]
      switch headers[segment] {
      case .none(let isBlank):
        if let use, use.kind != .free { survey.lost.append(segment) }
        if !isBlank { survey.unreadable.append(segment) }
      case .valid(let header, let damagedCopy):
        let isEarlier = freed.map { header.generation <= $0.generation } ?? false
        // Its header may just have been erased, and the erasure torn.
        let isStale =
          header.kind == .runs
          ? !runs.contains(header.generation)
          : isEarlier && use?.kind == .free && !Mutant.readsFreedSegments.isActive
        if isStale {
          survey.stale.append(segment)
          break
        }
        if let use, use.kind != .free, !isEarlier || use.kind != header.kind { survey.lost.append(segment) }
        if let damagedCopy { survey.damagedCopies.append((segment, damagedCopy)) }
        // What stands inside an extent is a value's bytes, whatever they look like.
        span = header.span
        switch header.kind {
        case .free: break
        case .extents: survey.extents.append(header)
        case .runs: survey.runs.append(header)
        case .log:
          if let checkpoint, checkpoint.isBefore(header) {
            survey.earlierLogs.append(header)
          } else {
            survey.logs.append(header)
          }
        }
      }
      segment += span
    }
    return survey
  }

  /// What stands where segments may begin. There is one in each few megabytes, so each is the first touch of a page, which is
  /// most of what opening a large store costs: it is done on all processors, and by a call that maps no page where the medium
  /// has one, as that takes a third of the time.
  private func readHeaders() -> [SegmentHeader.Found] {
    inGroups(geometry.segmentCount) { [medium, superblock] segments in
      unsafe withUnsafeTemporaryAllocation(byteCount: Geometry.segmentHeaderBytes, alignment: 8) { lines in
        segments.map { segment in
          guard unsafe medium.read(into: lines, at: superblock.geometry.segmentOffset(segment)) else {
            return unsafe SegmentHeader.read(from: medium.bytes, segment: segment, superblock: superblock)
          }
          return unsafe SegmentHeader.read(
            lines: UnsafeRawBufferPointer(lines), segment: segment, superblock: superblock)
        }
      }
    }
  }

  /// What `body` gives for the numbers from 0 to `count` - 1, a group of them at a time, on all processors.
  private func inGroups<T: Sendable>(_ count: Int, _ body: @Sendable (Range<Int>) -> [T]) -> [T] {
    let group = 64
    let groups = parallelMap((count + group - 1) / group, least: 4) { number in
      body(number * group..<min(count, (number + 1) * group))
    }
    return groups.flatMap { $0 }
  }
}

extension Checkpoint {
  /// The lines in use at the cut of a segment that was open then.
  func openLines(_ header: SegmentHeader) -> Int? {
    guard header.generation <= generation, !Mutant.replaysFromStart.isActive else { return nil }
    return open.first { Int($0.segment) == header.segment }.map { Int($0.lines) }
  }

  /// What the sequence numbers behind the cut are above, in a segment that was open then.
  func sequence(_ header: SegmentHeader) -> UInt64? {
    openLines(header) == nil ? nil : sequence
  }

  /// Whether all of the segment is from before the cut.
  func isBefore(_ header: SegmentHeader) -> Bool {
    header.generation <= generation && !open.contains { Int($0.segment) == header.segment }
  }
}
