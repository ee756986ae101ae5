import Testing

@testable import BarKV

/// Reserve, write by a peer, commit or abandon: what each answers, and what it costs.
@Suite struct ReservationTests {
  @Test(arguments: [1, 7, 63, 64, 65, 4096, 10_000, 131_072, 400_000]) func aPeersValueIsAValue(length: Int) throws {
    let region = Region(size: 4 << 20)
    let store = try region.create()
    let peer = Peer(region: region, store: store)
    let bytes = value(length, length: length)
    try store.put("before", for: "key")
    let reservation = try store.reserve(length, for: "key")
    #expect(reservation.length == length && reservation.offset % 4096 == 0)
    #expect(reservation.key == Array("key".utf8))
    #expect(reservation.address == nil && reservation.noAddress == .memory)
    try peer.write(bytes, to: reservation)
    // Nothing shows before the commit, here or after a crash.
    #expect(try store.getString("key") == "before")
    #expect(try region.copy().open().getString("key") == "before")
    try store.commit(reservation.token)
    #expect(isSame(try store.get("key"), bytes))
    try store.expectSound()
    #expect(store.reservations.isEmpty && store.count == 1)
    let after = try region.copy().open()
    #expect(isSame(try after.get("key"), bytes))
    #expect(after.reservations.isEmpty)
    try after.expectSound()
    // As any other value it is overwritten, and its space comes back.
    try store.put("short", for: "key")
    try store.checkpoint()
    #expect(try store.getString("key") == "short")
    try store.expectSound()
  }

  @Test func alignments() throws {
    let region = Region(size: 8 << 20)
    let store = try region.create()
    let half = store.statistics.segmentBytes / 2
    var alignment = 1
    while alignment <= half {
      try store.put(value(1, length: 5000), for: "between")
      let reservation = try store.reserve(100, for: "\(alignment)", alignment: alignment)
      #expect(reservation.offset % max(alignment, 4096) == 0)
      try Peer(region: region, store: store).write(value(alignment, length: 100), to: reservation)
      try store.commit(reservation.token)
      alignment *= 2
    }
    let long = try store.reserve(3 * half, for: "long", alignment: half)
    #expect(long.offset % half == 0)
    try store.abandon(long.token)
    try store.expectSound()
    let after = try region.copy().open()
    try after.expectSound()
    alignment = 1
    while alignment <= half {
      #expect(try after.get("\(alignment)") == value(alignment, length: 100))
      alignment *= 2
    }
  }

  @Test func whatCannotBeReserved() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    func refusal(_ body: () throws(StoreError) -> Reservation) -> StoreError? {
      do throws(StoreError) { _ = try body() } catch { return error }
      return nil
    }
    for length in [0, -1, Int.min] {
      guard case .invalidReservation = refusal({ () throws(StoreError) in try store.reserve(length, for: "key") })
      else {
        Issue.record("a length of \(length) was taken")
        continue
      }
    }
    for alignment in [0, -1, 3, 4097, 1 << 40, Int.min, Int.max] {
      let refused = refusal { () throws(StoreError) in try store.reserve(10, for: "key", alignment: alignment) }
      guard case .invalidReservation = refused else {
        Issue.record("an alignment of \(alignment) was taken: \(String(describing: refused))")
        continue
      }
    }
    #expect(
      refusal { () throws(StoreError) in try store.reserve(Int.max, for: "key") }
        == .valueTooLarge(Int.max, maximum: store.limits.maximumValueLength))
    #expect(
      refusal { () throws(StoreError) in try store.reserve(1, for: "") }
        == .invalidKeyLength(0, maximum: store.limits.maximumKeyLength))
    let longest = [UInt8](repeating: 1, count: store.limits.maximumKeyLength)
    try store.abandon(store.reserve(1, for: longest).token)
    #expect(store.reservations.isEmpty)
    try store.close()
    #expect(refusal { () throws(StoreError) in try store.reserve(1, for: "key") } == .closed)
    let reader = try region.copy().open(access: .readOnly)
    #expect(refusal { () throws(StoreError) in try reader.reserve(1, for: "key") } == .readOnly)
  }

  @Test func thereIsALimit() throws {
    let store = try Region(size: 8 << 20).create()
    let limit = store.log.reservations.limit
    #expect(limit == 7)
    let taken = try (0..<limit).map { try store.reserve(100, for: "\($0)") }
    #expect(throws: StoreError.tooManyReservations(limit: limit)) { try store.reserve(100, for: "more") }
    try store.abandon(taken[3].token)
    _ = try store.reserve(100, for: "more")
    #expect(throws: StoreError.tooManyReservations(limit: limit)) { try store.reserve(100, for: "more") }
    #expect(Set(store.reservations.map(\.reservation.token)).count == limit)
    #expect(store.statistics.reservationCount == limit && store.statistics.reservationBytes == UInt64(limit) * 100)
    #expect(store.statistics.quarantinedCount == 0 && store.statistics.oldestReservationSeconds != nil)
    try store.expectSound()
  }

  @Test func aTokenIsGoodForOneEnd() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    let first = try store.reserve(100, for: "key")
    let second = try store.reserve(100, for: "key")
    #expect(first.token != second.token && first.offset != second.offset)
    try Peer(region: region, store: store).write(value(2, length: 100), to: second)
    try store.commit(second.token)
    let gone = StoreError.noSuchReservation(second.token.description)
    #expect(throws: gone) { try store.commit(second.token) }
    #expect(throws: gone) { try store.abandon(second.token) }
    try store.abandon(first.token)
    #expect(throws: StoreError.noSuchReservation(first.token.description)) { try store.commit(first.token) }
    // Another store's, which happens to have the same number.
    let other = try Region(size: 1 << 20).create(seed: 2)
    let foreign = try other.reserve(100, for: "key")
    #expect(foreign.token.generation == first.token.generation && foreign.token != first.token)
    #expect(throws: StoreError.noSuchReservation(first.token.description)) { try other.commit(first.token) }
    #expect(try store.get("key") == value(2, length: 100))
  }

  @Test func tokensAsText() throws {
    let store = try Region(size: 1 << 20).create()
    let token = try store.reserve(1, for: "key").token
    #expect(ReservationToken(token.description) == token)
    #expect(token.description.count == 26)
    for text in [
      "", "-", "1-2-3", token.description + "0", token.description.replacing("-", with: "+"),
      "+0000001-00000002-00000003",
    ] {
      #expect(ReservationToken(text) == nil, "\(text)")
    }
  }

  /// A reservation is a barrier, an end of it another; a commit the payload's besides.
  @Test(arguments: [PersistenceDomain.processOnly, .cacheFlush, .readBack, .pmrStatusRead, .pmrMemoryRead])
  func barriers(domain: PersistenceDomain) throws {
    let region = Region(size: 4 << 20)
    let store = try region.create(domain: domain)
    func barriers<R>(_ body: () throws -> R) throws -> (UInt64, R) {
      let before = store.statistics.barrierCount
      let result = try body()
      return (store.statistics.barrierCount - before, result)
    }
    for length in [1 << 20, 100] {
      let (reserving, reservation) = try barriers { try store.reserve(length, for: "key") }
      #expect(reserving == 1)
      let bytes = value(1, length: length)
      try Peer(region: region, store: store).write(bytes, to: reservation)
      let (committing, _) = try barriers {
        try store.commit(reservation.token, verifying: .checksum(publishedChecksum(bytes)))
      }
      #expect(committing == 2)
      #expect(isSame(try store.get("key"), bytes))
      let other = try store.reserve(length, for: "key").token
      #expect(try barriers { try store.abandon(other) }.0 == 1)
    }
    try store.expectSound()
  }

  @Test func pieces() throws {
    var options = StoreOptions()
    options.peerAddressBase = 0x1000_0000
    let store = try Region(size: 1 << 20).create(options: options)
    let reservation = try store.reserve(10_000, for: "key")
    #expect(reservation.address == BusAddress(value: 0x1000_0000 + UInt64(reservation.offset), source: .caller))
    let pieces = reservation.pieces(ofAtMost: 4096)
    #expect(pieces.map(\.length) == [4096, 4096, 1808])
    #expect(pieces.map(\.offset) == [0, 4096, 8192].map { $0 + reservation.offset })
    #expect(pieces.allSatisfy { $0.address?.value == 0x1000_0000 + UInt64($0.offset) })
    #expect(reservation.pieces(ofAtMost: 10_000).count == 1 && reservation.pieces(ofAtMost: .max).count == 1)
    #expect(reservation.pieces(ofAtMost: 0).count == 10_000 && reservation.pieces(ofAtMost: .min).count == 10_000)
  }

  @Test func severalThreads() throws {
    let region = Region(size: 16 << 20)
    let store = try region.create()
    let peer = Peer(region: region, store: store)
    try Threads.run(4) { thread in
      for round in 0..<30 {
        let bytes = value(thread * 100 + round, length: 1000 * (round % 5 + 1))
        let reservation = try store.reserve(bytes.count, for: "\(thread)-\(round % 3)")
        try peer.write(bytes, to: reservation)
        if round % 4 == 3 {
          try store.abandon(reservation.token)
        } else {
          try store.commit(reservation.token, verifying: .checksum(publishedChecksum(bytes)))
          #expect(isSame(try store.get("\(thread)-\(round % 3)"), bytes))
        }
        if round % 10 == 9 { try store.compact() }
      }
    }
    #expect(store.count == 12 && store.reservations.isEmpty)
    try store.expectSound()
    try region.copy().open().expectSound()
  }

  /// Two calls with one token: one of them has it.
  @Test func oneCallHasAToken() throws {
    let store = try Region(size: 1 << 20).create()
    let token = try store.reserve(100, for: "key").token
    try store.withReservedBytes(token) { _ in
      #expect(throws: StoreError.reservationInUse(token.description)) { try store.abandon(token) }
      #expect(throws: StoreError.reservationInUse(token.description)) { try store.commit(token) }
    }
    let verification = PeerVerification.readBack {
      #expect(throws: StoreError.reservationInUse(token.description)) { try store.abandon(token) }
      #expect(throws: StoreError.reservationInUse(token.description)) { try store.withReservedBytes(token) { _ in } }
    }
    try store.commit(token, verifying: verification)
    #expect(throws: StoreError.noSuchReservation(token.description)) { try store.withReservedBytes(token) { _ in } }
  }

  @Test func aFullStore() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    let held = try store.reserve(1000, for: "held")
    var count = 0
    while true {
      do throws(StoreError) { try store.put(value(count, length: 3000), for: key(count)) } catch {
        #expect(error == .full)
        break
      }
      count += 1
    }
    #expect(throws: StoreError.full) { try store.reserve(250_000, for: "no room") }
    #expect(store.reservations.count == 1)
    // A full store gives up what it holds, and takes deletes.
    try store.abandon(held.token)
    for number in 0..<count { try store.delete(key(number)) }
    try store.put("again", for: "key")
    try store.expectSound()
    try region.copy().open().expectSound()
  }

  @Test func inABackup() throws {
    let region = Region(size: 1 << 20)
    let store = try region.create()
    try store.put("value", for: "key")
    let before = try store.reserve(5000, for: "before")
    try store.checkpoint()
    let after = try store.reserve(5000, for: "after")
    let file = TemporaryFile()
    try store.backup(to: file.address)
    let copy = try Store.open(at: file.address)
    try copy.expectSound()
    #expect(try copy.getString("key") == "value")
    // No device knows the copy: what it lists can be given up.
    for info in copy.reservations { try copy.abandon(info.reservation.token) }
    #expect(copy.reservations.isEmpty)
    try copy.put("value", for: "more")
    try copy.close()
    for token in [before.token, after.token] { try store.abandon(token) }
  }
}
