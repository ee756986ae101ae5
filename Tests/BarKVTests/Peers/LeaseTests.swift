import Testing

@testable import BarKV

/// Values that stay where they are for a device to read.
@Suite struct LeaseTests {
  private let region = Region(size: 4 << 20)

  private func create() throws -> Store {
    var options = StoreOptions()
    options.maintainsInBackground = false
    options.replayBytes = 16 << 10
    options.peerAddressBase = 0x8000_0000
    return try region.create(options: options)
  }

  /// In its record, and in an extent: whatever becomes of the key, the bytes stay.
  @Test(arguments: [0, 1, 100, 5000, 200_000]) func theBytesStay(length: Int) throws {
    let store = try create()
    let bytes = value(1, length: length)
    try store.put(bytes, for: "key")
    for number in 0..<20 { try store.put(value(number, length: 500), for: key(number)) }
    guard let lease = try store.lease("key") else {
      Issue.record("no lease")
      return
    }
    #expect(lease.length == length && lease.address?.value == 0x8000_0000 + UInt64(lease.offset))
    if length >= 4096 { #expect(lease.offset % 4096 == 0) }
    let isDelete = length % 2 == 0
    if isDelete { try store.delete("key") } else { try store.put("new", for: "key") }
    // Turned over several times: nobody is held up.
    for round in 0..<300 {
      for number in 0..<20 { try store.put(value(round, length: 500), for: key(number)) }
      if round % 50 == 0 { try store.compact() }
    }
    #expect(try lease.withBytes { array($0) } == bytes)
    #expect(region.image[lease.offset..<lease.offset + length].elementsEqual(bytes))
    #expect(store.statistics.leaseCount == 1 && store.statistics.leaseBytes == UInt64(length))
    #expect(store.leases.map(\.key) == [Array("key".utf8)])
    #expect(try store.getString("key") == (isDelete ? nil : "new"))
    try store.expectSound()
    let segment = store.superblock.geometry.segment(at: lease.offset)
    lease.release()
    #expect(store.leases.isEmpty && store.statistics.oldestLeaseSeconds == nil)
    // What it kept comes back.
    let generation = unsafe store.log.segments[segment].pointee.generation
    for round in 0..<300 {
      for number in 0..<20 { try store.put(value(round, length: 500), for: key(number)) }
      if round % 50 == 0 { try store.compact() }
    }
    if length >= 100 {
      #expect(
        unsafe store.log.segments[segment].pointee.generation != generation || store.log.segments.kind(segment) == .free
      )
    }
    try store.expectSound()
  }

  @Test func scopes() throws {
    let store = try create()
    if (try store.lease("absent")) != nil { Issue.record("a lease of nothing") }
    try store.put(value(1, length: 5000), for: "key")
    let length = try store.withLease(of: "key") { lease in
      #expect(store.leases.count == 1)
      #expect(lease.pieces(ofAtMost: 4096).map(\.length) == [4096, 904])
      return lease.length
    }
    #expect(length == 5000 && store.leases.isEmpty)
    #expect(try store.withLease(of: "absent") { _ in 1 } == nil)
    struct Stop: Error {}
    #expect(throws: Stop.self) { try store.withLease(of: "key") { _ in throw Stop() } }
    do {
      let first = try store.lease("key")
      let second = try store.lease("key")
      #expect(first != nil && second != nil && store.leases.count == 2)
    }
    #expect(store.leases.isEmpty)
    #expect(throws: StoreError.self) { _ = try store.lease("") }
  }

  @Test func aCloseEndsIt() throws {
    let store = try create()
    try store.put("value", for: "key")
    guard let lease = try store.lease("key") else {
      Issue.record("no lease")
      return
    }
    try store.close()
    #expect(throws: StoreError.closed) { try lease.withBytes { $0.byteCount } }
    #expect(throws: StoreError.closed) { _ = try store.lease("key") }
    lease.release()
    try region.copy().open().expectSound()
  }

  /// A lease that was taken by a reader of a segment that was about to be given away.
  @Test func takenBesideCompaction() throws {
    var options = StoreOptions()
    options.replayBytes = 16 << 10
    let store = try region.create(options: options)
    for number in 0..<50 { try store.put(value(number, length: 300), for: key(number)) }
    try Threads.run(3) { thread in
      for round in 0..<400 {
        if thread == 0 {
          for number in 0..<50 { try store.put(value(number, length: 300), for: key(number)) }
          if round % 20 == 0 { try store.compact() }
        } else {
          let number = round % 50
          try store.withLease(of: key(number)) { lease in
            for _ in 0..<20 {
              guard try lease.withBytes({ array($0) }) == value(number, length: 300) else {
                Issue.record("leased bytes changed")
                return
              }
            }
          }
        }
      }
    }
    #expect(store.leases.isEmpty)
    try store.expectSound()
  }

  @Test func inAReadOnlyStore() throws {
    let store = try create()
    try store.put(value(1, length: 5000), for: "key")
    try store.close()
    let reader = try region.copy().open(access: .readOnly)
    let bytes = try reader.withLease(of: "key") { lease in try lease.withBytes { array($0) } }
    #expect(bytes == value(1, length: 5000))
  }
}
