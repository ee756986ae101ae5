import Testing

@testable import BarKV

/// Records of reservations behind right checksums that no store has written: nothing traps, nothing is lost.
@Suite struct MaliciousReservationTests {
  private let region = Region(size: 1 << 20)

  /// Appends a record of a reservation to the log, whatever it says.
  private func append(_ content: ReservationRecord, key: [UInt8], to store: Store) throws {
    let log = store.log
    let lane = log.acquireLane()
    defer { log.release(lane) }
    let bytes = Record.lines(keyLength: key.count, valueLength: ReservationRecord.encodedBytes) * lineSize
    #expect(try log.hasRoom(lane, bytes: bytes) || log.openRoom(lane, bytes: bytes, purpose: .put))
    _ = try unsafe key.withUnsafeBytes { (key) throws in
      try unsafe content.withEncoded { (value) throws(StoreError) in
        try unsafe log.append(
          lane, kind: .reservation, sequence: log.takeSequence(), key: key, value: value, site: .reservation)
      }
    }
    try log.settle(lane, site: .reservation)
  }

  @Test func senselessNumbers() throws {
    let store = try region.create()
    try store.put(value(1, length: 9000), for: "extent")
    let real = try store.reserve(9000, for: "real")
    let sound = try #require(store.log.reservations.all.first).record
    var contents: [ReservationRecord] = []
    for offset in [0, 1, 64, -64, Int.min, Int.max, Int.max - 63, 1 << 20, (1 << 20) - 64, sound.offset + 1, 8192] {
      contents.append(sound)
      contents[contents.count - 1].offset = offset
    }
    for length in [0, 1 << 20, Int(UInt32.max)] {
      contents.append(sound)
      contents[contents.count - 1].length = length
    }
    for generation in [0, 1, UInt64.max] {
      contents.append(sound)
      contents[contents.count - 1].extentGeneration = generation
    }
    for index in contents.indices {
      contents[index].generation = UInt64.max - UInt64(index)
      contents[index].created = .max
      try append(contents[index], key: [UInt8(index)], to: store)
    }
    // One that says that nobody's reservation is given up, and one without a key that is none.
    var other = sound
    other.generation = 17
    other.state = .released
    try append(other, key: [], to: store)
    try append(sound, key: [], to: store)
    for access in [Access.readOnly, .readWrite] {
      let copy = region.copy()
      let next = try copy.open(access: access)
      #expect(next.reservations.map(\.reservation.token) == [real.token])
      #expect(try next.get("extent") == value(1, length: 9000))
      guard access == .readWrite else { continue }
      try next.put("value", for: "key")
      try next.checkpoint()
      try next.abandon(real.token)
      try next.close()
      #expect(try copy.copy().open().reservations.isEmpty)
    }
  }

  /// More reservations than a store gives out, and several of one place.
  @Test func tooMany() throws {
    let store = try region.create()
    _ = try store.reserve(9000, for: "real")
    let sound = try #require(store.log.reservations.all.first).record
    for number in 0..<20 {
      var copy = sound
      copy.generation = UInt64(100 + number)
      try append(copy, key: Array("key".utf8), to: store)
    }
    let next = try region.copy().open()
    #expect(next.reservations.count == next.log.reservations.limit)
    for info in next.reservations { try next.abandon(info.reservation.token) }
    try next.put("value", for: "key")
    try next.checkpoint()
    try next.close()
  }

  /// Where a value stands nothing is reserved: what is left of a reservation that was ended long ago must not hold on to it.
  @Test func overAValue() throws {
    let store = try region.create()
    try store.put(value(1, length: 20_000), for: "value")
    let line = try #require(
      try store.lines(
        of: unsafe "value".utf8.span.bytes.withUnsafeBytes { unsafe store.index.place(store.log.hash($0)) }.partition
      )
      .first { store.log.extentReference(ofRecordAtLine: $0) != nil })
    let extent = try #require(store.log.extentReference(ofRecordAtLine: line))
    for (number, place) in [(0, 100), (4096, 4096), (16_384, 100)].enumerated() {
      let content = ReservationRecord(
        generation: UInt64(900 + number), offset: extent.offset + place.0, length: place.1,
        extentGeneration: extent.generation, state: .reserved, created: 0, boot: 0)
      try append(content, key: Array("stale".utf8), to: store)
    }
    let next = try region.copy().open()
    #expect(next.reservations.isEmpty)
    #expect(try next.get("value") == value(1, length: 20_000))
    try next.expectSound()
  }
}
