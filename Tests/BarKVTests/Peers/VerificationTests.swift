import Synchronization
import Testing

@testable import BarKV

/// How a commit finds out that a peer's data is there.
@Suite struct VerificationTests {
  private let region = Region(size: 1 << 20)

  private func store(_ domain: PersistenceDomain = .readBack) throws -> (Store, Peer) {
    let store = try region.create(domain: domain)
    return (store, Peer(region: region, store: store))
  }

  @Test(arguments: PersistenceDomain.allCases.filter(\.isBehindBus)) func noWordIsTakenOnABus(
    domain: PersistenceDomain
  ) throws {
    let (store, peer) = try store(domain)
    let reservation = try store.reserve(5000, for: "key")
    try peer.write(value(1, length: 5000), to: reservation)
    #expect(throws: StoreError.peerUnverified) { try store.commit(reservation.token) }
    #expect(store.reservations.count == 1)
    try store.commit(reservation.token, verifying: .completion)
    #expect(try store.get("key") == value(1, length: 5000))
  }

  @Test func aWrongChecksum() throws {
    let (store, peer) = try store()
    let bytes = value(1, length: 5000)
    let reservation = try store.reserve(bytes.count, for: "key")
    try peer.write(bytes, part: 0..<4999, to: reservation)
    let verification = PeerVerification.checksum(publishedChecksum(bytes), timeout: .milliseconds(5))
    #expect(throws: StoreError.peerDataIncomplete("the value does not have the checksum that was given")) {
      try store.commit(reservation.token, verifying: verification)
    }
    #expect(try store.get("key") == nil)
    try peer.write(bytes, part: 4999..<5000, to: reservation)
    try store.commit(reservation.token, verifying: verification)
    #expect(try store.get("key") == bytes)
    try store.expectSound()
  }

  /// The device has said that it is done, and its data comes later.
  @Test(arguments: [PersistenceDomain.readBack, .pmrStatusRead, .cacheFlush, .processOnly]) func lateData(
    domain: PersistenceDomain
  ) throws {
    let observer = LateData()
    let medium = try Medium.memory(
      image: [UInt8](repeating: 0, count: 1 << 20), domain: domain, observer: observer)
    let store = try Store.create(
      on: medium, geometry: try Geometry(regionBytes: 1 << 20, segmentSize: nil), path: "memory",
      options: StoreOptions())
    for (number, hasTrailer) in [true, false, true, false].enumerated() {
      var bytes = value(number, length: 5000 + number)
      bytes.replaceSubrange(bytes.count - 8..<bytes.count, with: [1, 2, 3, 4, 5, 6, 7, 8])
      let reservation = try store.reserve(bytes.count, for: "key")
      let data = bytes
      observer.arrive(atLook: 3) {
        unsafe medium.memoryForPeer(reservation.offset..<reservation.offset + data.count).copyBytes(from: data)
      }
      try store.commit(
        reservation.token,
        verifying: hasTrailer ? .trailer(0x0807_0605_0403_0201) : .checksum(publishedChecksum(bytes)))
      #expect(try store.get("key") == bytes)
      #expect(observer.looks == (hasTrailer ? 4 : 3))
      try store.expectSound()
    }
  }

  @Test func trailers() throws {
    let (store, peer) = try store()
    let bytes = value(1, length: 100) + [9, 0, 0, 0, 0, 0, 0, 0]
    try peer.put(bytes, for: "key", verifying: .trailer(9))
    // The same bytes may stand in the next place: they are taken away before the peer is told of it.
    let geometry = store.superblock.geometry
    for segment in 0..<geometry.segmentCount where store.log.segments.kind(segment) == .free {
      let start = geometry.segmentOffset(segment)
      let memory = unsafe store.medium.memoryForPeer(start + 128..<start + geometry.segmentSize)
      for offset in stride(from: 0, to: memory.count, by: 8) {
        unsafe memory.storeBytes(of: UInt64(9).littleEndian, toByteOffset: offset, as: UInt64.self)
      }
    }
    for length in [8, 16, 72, 4096, 100_000] {
      let reservation = try store.reserve(length, for: "key")
      #expect(throws: StoreError.peerDataIncomplete("the trailer did not arrive")) {
        try store.commit(reservation.token, verifying: .trailer(9, timeout: .zero))
      }
      try store.abandon(reservation.token)
    }
    for (length, word) in [(7, UInt64(9)), (8, 0)] {
      let reservation = try store.reserve(length, for: "key")
      #expect(throws: StoreError.self) { try store.commit(reservation.token, verifying: .trailer(word)) }
      try store.abandon(reservation.token)
    }
    let least = try store.reserve(8, for: "least")
    try peer.write([9, 0, 0, 0, 0, 0, 0, 0], to: least)
    try store.commit(least.token, verifying: .trailer(9, timeout: .seconds(-1)))
    #expect(try store.get("key") == bytes)
  }

  @Test func readBacks() throws {
    struct Broken: Error {}
    let (store, peer) = try store()
    let bytes = value(1, length: 5000)
    let reservation = try store.reserve(bytes.count, for: "key")
    #expect(throws: StoreError.peerDataIncomplete("the read-back failed: Broken()")) {
      try store.commit(reservation.token, verifying: .readBack { throw Broken() })
    }
    let region = region
    try store.commit(
      reservation.token,
      verifying: .readBack {
        // The read has pushed the data.
        let memory = unsafe store.medium.memoryForPeer(reservation.offset..<reservation.offset + bytes.count)
        unsafe memory.copyBytes(from: bytes)
        try region.observe(.dma(offset: reservation.offset, bytes: bytes, identifier: 1))
      })
    #expect(try store.get("key") == bytes)
    _ = peer
  }

  @Test func checksumsFromAnyStart() {
    for length in [0, 1, 7, 8, 64, 1000, 100_003] {
      let bytes = value(length, length: length)
      for seed in [0, 1, 0xDEAD_BEEF, UInt32.max] {
        let direct = unsafe bytes.withUnsafeBytes { unsafe Checksum.of($0, seed: seed) }
        #expect(Checksum.reseeded(publishedChecksum(bytes), count: length, seed: seed) == direct)
      }
    }
  }

  /// A forced write-back mapping of a BAR: lines are taken out of the caches before the place is handed out, and before each
  /// look at it.
  @Test func staleLinesAreEvicted() throws {
    let observer = LateData()
    let image = [UInt8](repeating: 0, count: 1 << 20)
    let memory = unsafe allocateLines(bytes: image.count)
    let medium = unsafe Medium(
      base: memory, length: image.count, isWritable: true,
      persistence: Persistence(domain: .readBack, level: .deviceAccepted, reason: "a test"), backing: .memory,
      sharesBarriers: false, observer: observer, barrierRead: BarrierRead(evictsLine: true))
    let store = try Store.create(
      on: medium, geometry: try Geometry(regionBytes: image.count, segmentSize: nil), path: "memory",
      options: StoreOptions())
    let reservation = try store.reserve(5000, for: "key")
    let range = reservation.offset..<reservation.offset + 5000
    #expect(observer.take() == [.evict(site: .reservedExtent, range: range)])
    try store.commit(reservation.token, verifying: .completion)
    #expect(
      observer.take() == [
        .peerRead(site: .peerPayload, range: range), .evict(site: .peerPayload, range: range),
        .evict(site: .peerPayload, range: range.lowerBound..<roundUp(range.upperBound, to: lineSize)),
      ])
  }

  /// A checksum that the caller vouches for spares the pass over the value.
  @Test func aKnownChecksum() throws {
    let observer = LateData()
    let store = try Store.create(
      on: try Medium.memory(
        image: [UInt8](repeating: 0, count: 1 << 20), domain: .readBack, observer: observer),
      geometry: try Geometry(regionBytes: 1 << 20, segmentSize: nil), path: "memory", options: StoreOptions())
    let bytes = value(1, length: 5000) + [9, 0, 0, 0, 0, 0, 0, 0]
    let checksum = publishedChecksum(bytes)
    let ways: [(PeerVerification, Int)] = [
      (.completion(checksum: checksum), 0), (.readBack(checksum: checksum) {}, 0), (.trailer(9, checksum: checksum), 1),
      (.trailer(9), 2), (.completion, 1),
    ]
    for (verification, looks) in ways {
      let reservation = try store.reserve(bytes.count, for: "key")
      try unsafe store.withUnsafeReservedBytes(reservation.token) { unsafe $0.copyBytes(from: bytes) }
      _ = observer.take()
      try store.commit(reservation.token, verifying: verification)
      #expect(observer.take().count == looks)
      #expect(try store.get("key") == bytes)
      try store.expectSound()
    }
    let wrong = try store.reserve(100, for: "wrong")
    try store.commit(wrong.token, verifying: .completion(checksum: 1))
    #expect(try !store.verify().isSound)
  }

  /// The copy in memory of a BAR that is slow to read knows nothing of a peer's writes.
  @Test func theCopyInMemoryIsDropped() throws {
    let region = Region(size: 1 << 20)
    let medium = try Medium.memory(
      image: region.image, domain: .readBack, observer: region, mirrorBytes: 1 << 20)
    // Where the system grants no copy there is nothing to be stale.
    guard medium.mirror != nil else { return medium.unmap() }
    let store = try Store.create(
      on: medium, geometry: try Geometry(regionBytes: 1 << 20, segmentSize: nil), path: "memory",
      options: StoreOptions())
    for round in 0..<3 {
      let bytes = value(round, length: 30_000)
      let reservation = try store.reserve(bytes.count, for: "key")
      // All of it is in the copy, as it was before.
      #expect(unsafe medium.bytes[reservation.offset..<reservation.offset + 30_000].count { $0 == 1 } < 30_000)
      try Peer(region: region, store: store).write(bytes, to: reservation)
      try store.commit(reservation.token, verifying: .checksum(publishedChecksum(bytes)))
      #expect(isSame(try store.get("key"), bytes))
      try store.expectSound()
    }
    try store.close()
  }
}

/// Counts looks at what a peer wrote, has its data arrive at one of them, and keeps what concerns peers.
private final class LateData: MediumObserver {
  private struct State: Sendable {
    var looks = 0
    var arrival: (look: Int, body: @Sendable () -> Void)?
    var events: [MediumEvent] = []
  }
  private let state = Locked(State())

  var looks: Int { state.withLock { $0.looks } }

  func arrive(atLook look: Int, _ body: @escaping @Sendable () -> Void) {
    state.withLock { state in
      state.looks = 0
      state.arrival = (look, body)
    }
  }

  func take() -> [MediumEvent] {
    state.withLock { state in
      defer { state.events = [] }
      return state.events
    }
  }

  func observe(_ event: MediumEvent) throws(StoreError) {
    let body = state.withLock { state -> (@Sendable () -> Void)? in
      switch event {
      case .peerRead: state.looks += 1
      case .evict: break
      default: return nil
      }
      state.events.append(event)
      guard case .peerRead = event, let arrival = state.arrival, arrival.look == state.looks else { return nil }
      return arrival.body
    }
    body?()
  }
}
