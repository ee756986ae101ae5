/// Reserving room for a value that a peer writes in place, and giving it up.
extension Store {
  /// Reserves room for the value of `key`: contiguous, aligned, at an address that another device can be given.
  ///
  /// Nothing shows before ``commit(_:verifying:)``: the key keeps the value it has. The reservation is durable when the call
  /// returns. If the process ends while the device writes, the next owner finds it in ``reservations`` as quarantined, and
  /// gives its place to nobody until the token is committed or abandoned.
  ///
  /// What stands in the place is what was there before, but for the last eight bytes, which are 0: see
  /// ``PeerVerification/trailer(_:checksum:timeout:)``.
  ///
  /// ```swift
  /// let reservation = try store.reserve(1 << 20, for: "frame/17")
  /// guard let address = reservation.address else { fatalError("\(reservation.noAddress!)") }
  /// nvme.read(blocks, to: address.value)                     // no copy in system memory
  /// try store.commit(reservation.token, verifying: .checksum(checksum))
  /// ```
  ///
  /// - Parameters:
  ///   - length: the value's bytes: 1 to what a value may have. The peer writes no other ones.
  ///   - alignment: what its offset in the region is a multiple of: a power of two, at most half a segment. A BAR starts at a
  ///     multiple of its own size, so its addresses are as aligned as the offsets. Once it is committed, compaction
  ///     may move the value as any other, to where extents start.
  /// - Throws: ``StoreError/invalidReservation(_:)``, ``StoreError/invalidKeyLength(_:maximum:)``,
  ///   ``StoreError/valueTooLarge(_:maximum:)``, ``StoreError/tooManyReservations(limit:)``, ``StoreError/full``,
  ///   ``StoreError/readOnly``, and what every call throws.
  /// - Complexity: one barrier, or a share of one; no pass over the value's bytes.
  public func reserve<K: StoreBytes>(
    _ length: Int, for key: K, alignment: Int = 4096
  ) throws(StoreError) -> Reservation {
    let name = key.withStoreBytes { key in unsafe key.withUnsafeBytes { unsafe Array($0) } }
    return try reserve(length, key: name, alignment: alignment, created: wallClockSeconds())
  }

  /// - Parameter created: what the clock says, for people.
  func reserve(_ length: Int, key: [UInt8], alignment: Int, created: UInt64) throws(StoreError) -> Reservation {
    try checkWritable()
    try limits.checkKey(key.count)
    try check(length: length, alignment: alignment)
    guard log.reservations.begin() else { throw .tooManyReservations(limit: log.reservations.limit) }
    defer { log.reservations.end() }
    let content = try placeReservation(length, alignment: alignment, created: created)
    do throws(StoreError) {
      try makingRoom { () throws(StoreError) in try record(content, key: key) }
    } catch {
      log.segments.addPending(-1, segment: superblock.geometry.segment(at: content.offset))
      throw error
    }
    writes.add(1)
    endWrite()
    return reservation(of: content, key: key)
  }

  private func check(length: Int, alignment: Int) throws(StoreError) {
    guard length >= 1 else { throw .invalidReservation("a peer's value has 1 byte or more, not \(length)") }
    try limits.checkValue(length)
    let most = superblock.geometry.segmentSize / 2
    guard alignment >= 1, alignment & (alignment - 1) == 0, alignment <= most else {
      throw .invalidReservation("the alignment is a power of two, at most \(most) in this store, not \(alignment)")
    }
  }

  /// Finds the place, and makes it ready for the peer. It stays as long as it is pending.
  private func placeReservation(
    _ length: Int, alignment: Int, created: UInt64
  ) throws(StoreError) -> ReservationRecord {
    let geometry = superblock.geometry
    return try makingRoom { () throws(StoreError) in
      try poisoning { () throws(StoreError) in
        try holdingOpen { () throws(StoreError) in
          let place = try log.placeExtent(bytes: length, alignment: max(alignment, geometry.extentAlignment))
          do throws(StoreError) {
            let range = place.offset..<place.offset + length
            try medium.prepareForPeer(range, site: .reservedExtent)
            // A trailer of an earlier use must not pass for the peer's.
            let first = max(place.offset, (range.upperBound - 8) / lineSize * lineSize)
            let zeros = [UInt8](repeating: 0, count: roundUp(range.upperBound, to: lineSize) - first)
            try unsafe zeros.span.bytes.withUnsafeBytes { (lines) throws(StoreError) in
              try unsafe medium.write(lines, at: first, site: .reservedExtent)
            }
          } catch {
            log.segments.addPending(-1, segment: place.segment)
            throw error
          }
          return ReservationRecord(
            generation: log.takeGeneration(), offset: place.offset, length: length,
            extentGeneration: unsafe log.segments[place.segment].pointee.generation, state: .reserved,
            created: created, boot: options.bootIdentity)
        }
      }
    }
  }

  /// Appends the reservation's record and makes it durable: nobody is told of the place before.
  private func record(_ content: ReservationRecord, key: [UInt8]) throws(StoreError) {
    let geometry = superblock.geometry
    try unsafe key.span.bytes.withUnsafeBytes { (key) throws(StoreError) in
      let place = unsafe index.place(log.hash(key))
      // Whoever compares the log with the index holds the partitions.
      let lock = try lockPartition(place.partition)
      defer { lock.unlock() }
      try lifecycle.check()
      let lines = Record.lines(keyLength: key.count, valueLength: ReservationRecord.encodedBytes)
      let lane = try poisoning { () throws(StoreError) in
        try log.acquireLane(bytes: lines * lineSize, purpose: .put)
      }
      defer { log.release(lane) }
      try poisoning { () throws(StoreError) in
        let offset = try unsafe content.withEncoded { (value) throws(StoreError) in
          try unsafe log.append(
            lane, kind: .reservation, sequence: log.takeSequence(), key: key, value: value, site: .reservation)
        }
        // With the header of the extent's segment, and the cleared end: the first peer's write comes after them.
        let segment = geometry.segment(at: content.offset)
        unsafe log[lane].pointee.soil(
          geometry.segmentOffset(segment)..<roundUp(content.offset + content.length, to: lineSize))
        // A power cut must not forget what a device was told to write to.
        if !Mutant.reservationBeforeBarrier.isActive { try log.settle(lane, site: .reservation) }
        log.segments.addPin(1, segment: geometry.segment(at: offset))
        log.reservations.add(
          ReservationTable.Entry(
            record: content, key: unsafe Array(key), recordOffset: offset, recordLines: lines, isQuarantined: false))
      }
    }
  }

  /// What the caller is told.
  func reservation(of content: ReservationRecord, key: [UInt8]) -> Reservation {
    Reservation(
      token: ReservationToken(generation: content.generation, seed: superblock.seed), key: key,
      range: peerAddressing.range(content.offset, length: content.length))
  }

  // MARK: Giving up

  /// Gives a reservation up: the caller says that no device writes there any more, and the place may be used again.
  ///
  /// - Throws: ``StoreError/noSuchReservation(_:)`` where the token was committed or abandoned before, or is not this
  ///   store's; ``StoreError/reservationInUse(_:)``; ``StoreError/readOnly``; and what every call throws. A full store still
  ///   takes it.
  /// - Complexity: one barrier, or a share of one.
  public func abandon(_ token: ReservationToken) throws(StoreError) {
    try checkWritable()
    let entry = try take(token)
    do throws(StoreError) {
      try makingRoom(for: .delete) { () throws(StoreError) in try release(entry) }
    } catch {
      log.reservations.putBack(token.generation)
      throw error
    }
    writes.add(1)
    endWrite()
  }

  /// Takes a reservation for a call that ends it.
  func take(_ token: ReservationToken) throws(StoreError) -> ReservationTable.Entry {
    guard token == ReservationToken(generation: token.generation, seed: superblock.seed) else {
      throw .noSuchReservation(token.description)
    }
    switch log.reservations.take(token.generation) {
    case .entry(let entry): return entry
    case .busy: throw .reservationInUse(token.description)
    case .none: throw .noSuchReservation(token.description)
    }
  }

  private func release(_ entry: ReservationTable.Entry) throws(StoreError) {
    var content = entry.record
    content.state = .released
    let place = unsafe entry.key.withUnsafeBytes { unsafe index.place(log.hash($0)) }
    let lock = try lockPartition(place.partition)
    defer { lock.unlock() }
    try lifecycle.check()
    let lines = Record.lines(keyLength: 0, valueLength: ReservationRecord.encodedBytes)
    let lane = try poisoning { () throws(StoreError) in
      try log.acquireLane(bytes: lines * lineSize, purpose: .delete)
    }
    defer { log.release(lane) }
    if Mutant.releaseWithoutRecord.isActive { return finish(entry, isCommitted: false) }
    try poisoning { () throws(StoreError) in
      let offset = try unsafe content.withEncoded { (value) throws(StoreError) in
        try unsafe log.append(
          lane, kind: .reservation, sequence: log.takeSequence(), key: UnsafeRawBufferPointer(start: nil, count: 0),
          value: value, site: .release)
      }
      // Before the place is given to another value: a power cut must not bring the reservation back over that.
      try log.settle(lane, site: .release)
      log.segments.addDead(lines, segment: superblock.geometry.segment(at: offset))
      finish(entry, isCommitted: false)
    }
  }

  /// Takes a reservation out whose end is durable. The caller holds the lane of the record that says so, so that no cut comes
  /// in between.
  func finish(_ entry: ReservationTable.Entry, isCommitted: Bool) {
    let geometry = superblock.geometry
    let segment = geometry.segment(at: entry.recordOffset)
    log.reservations.remove(entry.record.generation)
    log.segments.addDead(entry.recordLines, segment: segment)
    log.segments.addPin(-1, segment: segment)
    // A commit's publication has counted the extent as living.
    if !isCommitted { log.segments.addPending(-1, segment: geometry.segment(at: entry.record.offset)) }
  }
}
