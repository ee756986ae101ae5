/// Making a value of what a peer wrote.
extension Store {
  /// Makes what a peer wrote into a reservation the value of its key, durable and visible.
  ///
  /// The caller says that the peer is done; `verification` says how it is found out that all of its data has arrived. Readers
  /// see the whole value or the one before, and so does who opens the store after a crash. On an error but those of the
  /// medium the reservation stays as it was, and commit may be tried again.
  ///
  /// - Throws: ``StoreError/noSuchReservation(_:)`` where the token was committed or abandoned before, or is not this
  ///   store's; ``StoreError/reservationInUse(_:)``; ``StoreError/peerUnverified`` for the default on a device's memory, and
  ///   where the machine was started since for all but a checksum and the caller's word;
  ///   ``StoreError/peerDataIncomplete(_:)`` where the data has not arrived in time; ``StoreError/invalidOption(_:)`` for a
  ///   trailer that can be none; and what ``Store/put(_:for:)-(RawSpan,_)`` throws.
  /// - Complexity: one pass over the value for its checksum, none where the caller vouches for it, more where data is late; two
  ///   barriers, or shares of them; one record. No byte of the value is copied.
  public func commit(_ token: ReservationToken, verifying verification: PeerVerification = .default) throws(StoreError)
  {
    try beginWrite()
    let entry = try take(token)
    do throws(StoreError) {
      let extent = try accept(entry, verification)
      try makingRoom { () throws(StoreError) in try publish(extent, entry) }
    } catch {
      log.reservations.putBack(token.generation)
      throw error
    }
    writes.add(1)
    endWrite()
  }

  /// Finds out that the value is there, and makes it durable: before the record that refers to it, since recovery takes the
  /// record's word and does not read the value.
  private func accept(
    _ entry: ReservationTable.Entry, _ verification: PeerVerification
  ) throws(StoreError) -> ExtentReference {
    let content = entry.record
    try PeerCheck.validate(verification, length: content.length)
    let range = content.offset..<content.offset + content.length
    let salt = unsafe log.segments[superblock.geometry.segment(at: content.offset)].pointee.salt
    let checksum = try PeerCheck(
      store: self, range: range, salt: salt, verification: verification, mayHaveLostData: mayHaveLostData(content)
    ).run()
    try poisoning { () throws(StoreError) in
      try holdingOpen { () throws(StoreError) in try medium.acceptPeerWrite(range, site: .peerPayload) }
    }
    return ExtentReference(
      offset: content.offset, length: content.length, checksum: checksum, generation: content.extentGeneration)
  }

  /// Appends the record that is the commit, makes it durable, publishes it, and takes the reservation out.
  private func publish(_ extent: ExtentReference, _ entry: ReservationTable.Entry) throws(StoreError) {
    try unsafe entry.key.span.bytes.withUnsafeBytes { (key) throws(StoreError) in
      let place = unsafe index.place(log.hash(key))
      let lock = try lockPartition(place.partition)
      defer { lock.unlock() }
      try lifecycle.check()
      let lines = Record.lines(keyLength: key.count, valueLength: ExtentReference.encodedBytes)
      let lane = try poisoning { () throws(StoreError) in
        try log.acquireLane(bytes: lines * lineSize, purpose: .put)
      }
      defer { log.release(lane) }
      try poisoning { () throws(StoreError) in
        let offset = try unsafe extent.withEncoded { (reference) throws(StoreError) in
          try unsafe log.append(
            lane, kind: .putExtent, sequence: log.takeSequence(), key: key, value: reference, site: .peerRecord)
        }
        let line = offset / lineSize
        log.note(lane, place, came: line)
        // A reader must not see what a power cut could take back.
        try log.settle(lane, site: .peerRecord)
        unsafe publishPut(key, place, line: line, lines: lines, extent: extent, lane: lane)
        // Under the same lane: a cut finds the reservation open, or the record that ends it before the cut.
        finish(entry, isCommitted: true)
      }
    }
  }

  // MARK: Peers of this process

  /// Calls `body` with the memory of a reservation, for a peer that is a part of this process: a thread, or a driver that
  /// moves data into memory that it is given.
  ///
  /// The memory is the region's own mapping. Several threads may be inside at a time, on parts of their own: a line of 64
  /// bytes has one writer. A commit or an abandonment of the token is refused meanwhile, and the store is not closed.
  ///
  /// - Returns: what `body` returns.
  /// - Throws: ``StoreError/noSuchReservation(_:)``, ``StoreError/reservationInUse(_:)``, ``StoreError/readOnly``, and what
  ///   every call throws; or what `body` throws.
  public func withReservedBytes<R>(
    _ token: ReservationToken, _ body: (inout MutableRawSpan) throws -> R
  ) throws -> R {
    try unsafe withUnsafeReservedBytes(token) { bytes in
      var span = unsafe bytes.mutableBytes
      return try body(&span)
    }
  }

  /// The same with a pointer, which is valid until `body` returns: for what registers memory with a device.
  @unsafe
  public func withUnsafeReservedBytes<R>(
    _ token: ReservationToken, _ body: (UnsafeMutableRawBufferPointer) throws -> R
  ) throws -> R {
    try checkWritable()
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    guard token == ReservationToken(generation: token.generation, seed: superblock.seed) else {
      throw StoreError.noSuchReservation(token.description)
    }
    switch log.reservations.beginWriting(token.generation) {
    case .entry(let entry):
      defer { log.reservations.endWriting(token.generation) }
      let range = entry.record.offset..<entry.record.offset + entry.record.length
      return try unsafe body(medium.memoryForPeer(range))
    case .busy: throw StoreError.reservationInUse(token.description)
    case .none: throw StoreError.noSuchReservation(token.description)
    }
  }

  // MARK: Listing

  /// Whether the power may have been gone since the reservation was made.
  private func mayHaveLostData(_ content: ReservationRecord) -> Bool {
    options.bootIdentity == 0 || content.boot != options.bootIdentity
  }

  /// The reservations that are open, the oldest first: this owner's, and those that earlier owners left, which are in
  /// quarantine. In a store that is open read-only all are.
  public var reservations: [ReservationInfo] {
    let now = wallClockSeconds()
    return log.reservations.all.map { entry in
      ReservationInfo(
        reservation: reservation(of: entry.record, key: entry.key),
        state: entry.isQuarantined ? .quarantined : .active, mayHaveLostData: mayHaveLostData(entry.record),
        created: entry.record.created,
        ageSeconds: now > entry.record.created ? now - entry.record.created : 0)
    }
  }
}
