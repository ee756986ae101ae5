import Testing

@testable import BarKV

/// What the next owner makes of reservations that nobody ended.
@Suite struct QuarantineTests {
  private let region = Region(size: 4 << 20)

  private var small: StoreOptions {
    var options = StoreOptions()
    options.maintainsInBackground = false
    options.replayBytes = 16 << 10
    return options
  }

  @Test func isKeptUntilItIsCommitted() throws {
    let store = try region.create(options: small)
    try store.put("old", for: "key")
    let bytes = value(1, length: 20_000)
    let reservation = try store.reserve(bytes.count, for: "key")
    try Peer(region: region, store: store).write(bytes, part: 0..<9000, to: reservation)
    // Killed; and the device goes on.
    let later = region.copy()
    var next = try later.open(options: small)
    #expect(next.reservations.map(\.state) == [.quarantined])
    #expect(next.reservations.map(\.reservation) == [reservation])
    #expect(next.statistics.quarantinedCount == 1)
    #expect(try next.getString("key") == "old")
    // As much as the store has room for, several times over: nothing of it comes near the place.
    for round in 0..<40 {
      for number in 0..<10 { try next.put(value(round, length: 9000), for: key(number)) }
      if round % 10 == 0 { try next.compact() }
      if round == 20 {
        try next.close()
        next = try later.open(options: small)
        #expect(next.reservations.map(\.reservation) == [reservation])
      }
      if round == 30 { next = try later.open(options: small) }
    }
    #expect(next.recovery.segmentCount < next.statistics.segmentCount)
    let place = reservation.offset..<reservation.offset + 9000
    #expect(later.image[place].elementsEqual(bytes[..<9000]))
    try Peer(region: later, store: next).write(bytes, part: 9000..<20_000, to: reservation)
    try next.commit(reservation.token, verifying: .checksum(publishedChecksum(bytes)))
    #expect(isSame(try next.get("key"), bytes))
    try next.expectSound()
    let last = try later.copy().open(options: small)
    #expect(last.reservations.isEmpty)
    #expect(isSame(try last.get("key"), bytes))
    for number in 0..<10 { #expect(try last.get(key(number)) == value(39, length: 9000)) }
    try last.expectSound()
  }

  @Test func isGivenUpForGood() throws {
    let store = try region.create(options: small)
    let reservation = try store.reserve(20_000, for: "key")
    try store.checkpoint()
    let later = region.copy()
    let next = try later.open(options: small)
    try next.abandon(reservation.token)
    let last = try later.copy().open(options: small)
    #expect(last.reservations.isEmpty)
    #expect(throws: StoreError.noSuchReservation(reservation.token.description)) { try last.commit(reservation.token) }
    // A later one has another token, wherever it is.
    #expect(try last.reserve(20_000, for: "key").token != reservation.token)
    try last.expectSound()
  }

  @Test func theSpaceOfWhatWasGivenUpComesBack() throws {
    let store = try region.create(options: small)
    try store.checkpoint()
    let before = store.statistics.freeSegmentCount
    for _ in 0..<50 {
      let token = try store.reserve(100_000, for: "key").token
      try store.abandon(token)
    }
    try store.checkpoint()
    try store.compact()
    #expect(store.statistics.freeSegmentCount >= before - 2)
    try store.expectSound()
  }

  /// Once a checkpoint has the reservation, its record is no longer in what opening reads.
  @Test func checkpointsCarryItOver() throws {
    let store = try region.create(options: small)
    let tokens = try [store.reserve(5000, for: "a").token, store.reserve(5000, for: "b").token]
    for round in 0..<2000 { try store.put(value(round, length: 100), for: key(round % 10)) }
    #expect(store.statistics.checkpointCount > 3)
    let killed = region.copy()
    let next = try killed.open(options: small)
    #expect(next.recovery.recordCount < 500)
    #expect(next.reservations.map(\.reservation.token) == tokens)
    try next.expectSound()
    try next.commit(tokens[0])
    try next.abandon(tokens[1])
    try next.checkpoint()
    for round in 0..<2000 { try next.put(value(round, length: 100), for: key(round % 10)) }
    let last = try killed.copy().open(options: small)
    #expect(last.reservations.isEmpty && last.count == 11)
    try last.expectSound()
    try last.close()
  }

  /// The value was overwritten or deleted since, and the record that committed it is dead: the reservation is over all the
  /// same.
  @Test(arguments: [false, true]) func anOvertakenCommitIsACommit(withCheckpoint: Bool) throws {
    let store = try region.create(options: small)
    let reservation = try store.reserve(5000, for: "key")
    if withCheckpoint { try store.checkpoint() }
    try Peer(region: region, store: store).write(value(1, length: 5000), to: reservation)
    try store.commit(reservation.token)
    try store.put("new", for: "key")
    try store.put(value(3, length: 5000), for: "other")
    try store.delete("key")
    for copy in [region.copy(), region.copy()] {
      let next = try copy.open(options: small)
      #expect(next.reservations.isEmpty && next.count == 1)
      try next.expectSound()
      try next.checkpoint()
      let last = try copy.copy().open(options: small)
      #expect(last.reservations.isEmpty)
      try last.expectSound()
    }
  }

  @Test func readersListIt() throws {
    let store = try region.create()
    let reservation = try store.reserve(5000, for: "key")
    try store.close()
    let reader = try region.copy().open(access: .readOnly)
    #expect(reader.recovery.wasClosed)
    #expect(reader.reservations.map(\.state) == [.quarantined])
    #expect(throws: StoreError.readOnly) { try reader.commit(reservation.token) }
    #expect(throws: StoreError.readOnly) { try reader.abandon(reservation.token) }
    #expect(throws: StoreError.readOnly) { try reader.withReservedBytes(reservation.token) { _ in } }
    try reader.expectSound()
  }

  /// The whole log is read where the index is lost: what was ended there stays ended.
  @Test func withoutTheIndex() throws {
    let store = try region.create(options: small)
    let open = try store.reserve(5000, for: "open")
    let committed = try store.reserve(5000, for: "committed")
    try Peer(region: region, store: store).write(value(1, length: 5000), to: committed)
    try store.commit(committed.token)
    try store.abandon(store.reserve(5000, for: "abandoned").token)
    try store.checkpoint()
    try store.close()
    var options = small
    options.rebuildsIndex = true
    let next = try region.copy().open(options: options)
    #expect(next.reservations.map(\.reservation.token) == [open.token])
    #expect(try next.get("committed") == value(1, length: 5000))
    try next.expectSound()
  }

  /// Where the record that ended a reservation is gone, and a later value stands in its place, that value is what counts.
  @Test func aLaterValueInItsPlace() throws {
    let store = try region.create(options: small)
    let reservation = try store.reserve(20_000, for: "key")
    let killed = region.copy()
    let next = try killed.open(options: small)
    try next.abandon(reservation.token)
    // The next owner goes on where the log's extents end, which is where the reservation was.
    let other = try killed.copy().open(options: small)
    try other.put(value(1, length: 9000), for: "other")
    try other.checkpoint()
    #expect(other.reservations.isEmpty)
    try other.expectSound()
    try other.close()
  }

  /// A power cut may keep what a peer wrote last and take what it wrote before; a kill keeps all.
  @Test func whatProvesItAfterARestart() throws {
    var options = small
    options.bootIdentity = 1
    let store = try region.create(options: options)
    let bytes = value(1, length: 5000) + [9, 0, 0, 0, 0, 0, 0, 0]
    let tokens = try (0..<3).map { try store.reserve(bytes.count, for: key($0)).token }
    for info in store.reservations {
      #expect(!info.mayHaveLostData)
      try Peer(region: region, store: store).write(bytes, to: info.reservation)
    }
    let killed = try region.copy().open(options: options)
    #expect(killed.reservations.allSatisfy { $0.state == .quarantined && !$0.mayHaveLostData })
    try killed.commit(tokens[0], verifying: .trailer(9))
    try killed.commit(tokens[1])
    try killed.commit(tokens[2], verifying: .readBack {})
    #expect(try killed.get(key(0)) == bytes)
    options.bootIdentity = 2
    let restarted = try region.copy().open(options: options)
    #expect(restarted.reservations.allSatisfy { $0.mayHaveLostData })
    for verification in [PeerVerification.trailer(9), .default, .readBack {}] {
      #expect(throws: StoreError.peerUnverified) { try restarted.commit(tokens[0], verifying: verification) }
    }
    try restarted.commit(tokens[0], verifying: .checksum(publishedChecksum(bytes)))
    try restarted.commit(tokens[1], verifying: .completion)
    try restarted.abandon(tokens[2])
    try restarted.expectSound()
  }
}
