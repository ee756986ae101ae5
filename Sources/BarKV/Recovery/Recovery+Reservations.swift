/// Which reservations earlier owners left open: their extents are in quarantine until somebody who knows says that no device
/// writes there any more.
///
/// Their records are in the log's tail, or named by the checkpoint, so nothing else has to be read for them.
extension Recovery {
  /// Finds the reservations that nothing has ended, and accounts for the lines of all their records.
  ///
  /// One is ended by a record that says so, or by a put that refers to its extent. That put is in the tail wherever the
  /// checkpoint names the reservation, or has its record in the tail as well: a checkpoint names none that was ended before
  /// its cut.
  mutating func findReservations(_ found: Findings, log: Log) -> [ReservationTable.Entry] {
    var newest: [UInt64: SegmentScan.Reservation] = [:]
    var released: Set<UInt64> = []
    // The extents that records refer to, by the generation of their segment.
    var values: [UInt64: [Range<Int>]] = [:]
    for reference in found.checkpoint?.reservations ?? [] {
      guard let record = referred(reference, log: log) else {
        note(
          Damage(
            kind: .record, offset: reference.offset, length: UInt64(lineSize),
            detail: "the record of a reservation is not valid: its extent is no longer kept from being used"))
        continue
      }
      newest[record.content.generation] = record
    }
    let earlier = newest
    for (scan, decided) in zip(found.scans, found.verdict.segments) {
      for record in scan.reservations where record.offset < decided.cut {
        switch record.content.state {
        case .released: released.insert(record.content.generation)
        case .reserved: newest[record.content.generation] = record
        }
      }
      for offset in scan.extentRecords where offset < decided.cut {
        guard let reference = log.extentReference(ofRecordAtLine: offset / lineSize),
          unsafe log.extent(reference) != nil
        else { continue }
        values[reference.generation, default: []].append(reference.offset..<reference.offset + max(1, reference.length))
      }
    }
    var open: [ReservationTable.Entry] = []
    for record in newest.values.sorted(by: { $0.content.generation < $1.content.generation }) {
      let content = record.content
      let isOpen =
        !released.contains(content.generation)
        // Its segment's header was made durable with the record: without it nobody was told of the reservation.
        && isPlausible(content, log: log) && open.count < log.reservations.limit
        && !(values[content.extentGeneration] ?? []).contains {
          // Where the whole log is read, a later value may stand where a reservation was whose end is no longer there.
          $0.overlaps(content.offset..<content.offset + content.length)
        }
        && !Mutant.forgetsQuarantine.isActive
      let segment = geometry.segment(at: record.offset)
      let wasLive = earlier[content.generation] != nil
      // A checkpoint counts the lines of those that it names as living; those of the tail all count as dead so far.
      if isOpen != wasLive { log.segments.addDead(isOpen ? -record.lines : record.lines, segment: segment) }
      guard isOpen else { continue }
      open.append(
        ReservationTable.Entry(
          record: content, key: record.key, recordOffset: record.offset, recordLines: record.lines,
          isQuarantined: true))
    }
    return open
  }

  /// Enters the open reservations into the tables. The extents' segments were entered before.
  func adopt(_ reservations: [ReservationTable.Entry], log: Log) {
    for entry in reservations {
      log.segments.addPin(1, segment: geometry.segment(at: entry.recordOffset))
      log.segments.addPending(1, segment: geometry.segment(at: entry.record.offset))
      log.reservations.add(entry)
    }
  }

  /// The record that a checkpoint names, if it is still there.
  private func referred(_ reference: ReservationReference, log: Log) -> SegmentScan.Reservation? {
    let offset = Int(truncatingIfNeeded: reference.offset)
    let segment = geometry.segment(at: offset)
    guard segment >= 0, segment < geometry.segmentCount, log.segments.kind(segment) == .log,
      unsafe log.segments[segment].pointee.generation == reference.generation
    else { return nil }
    let start = geometry.segmentOffset(segment)
    let limit = start + geometry.segmentSize - lineSize
    guard offset >= start + Geometry.segmentHeaderBytes, offset < limit else { return nil }
    medium.note(load: offset..<offset + lineSize)
    guard let header = unsafe Record.header(medium.bytes, at: offset), header.byteCount <= limit - offset else {
      return nil
    }
    medium.note(load: offset..<offset + header.lines * lineSize)
    guard
      let record = unsafe Record.validate(
        medium.bytes, at: offset, limit: limit, salt: log.segments[segment].pointee.salt)
    else { return nil }
    let sequence = unsafe log.segments[segment].pointee.baseSequence &+ UInt64(record.delta)
    let found = unsafe SegmentScan.Reservation(record, at: offset, sequence: sequence, region: medium.bytes)
    return found?.content.state == .reserved ? found : nil
  }

  /// Whether the extent is one in the current use of its segment.
  private func isPlausible(_ content: ReservationRecord, log: Log) -> Bool {
    let reference = ExtentReference(
      offset: content.offset, length: content.length, checksum: 0, generation: content.extentGeneration)
    return unsafe content.length >= 1 && content.offset % geometry.extentAlignment == 0 && log.extent(reference) != nil
  }
}
