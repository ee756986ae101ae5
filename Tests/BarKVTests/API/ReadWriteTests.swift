import Testing

@testable import BarKV

/// Put, get, delete, contains, one after the other.
@Suite struct ReadWriteTests {
  private let region = Region(size: 4 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
  }

  @Test func overwriteByEveryLength() throws {
    // In a record, in an extent, and back.
    let lengths = [10, 0, 4095, 4096, 1, 10_000, 9_999, 70, 200_000, 3]
    for (number, length) in lengths.enumerated() {
      let bytes = value(number, length: length)
      try store.put(bytes, for: "key")
      #expect(isSame(try store.get("key"), bytes))
      #expect(store.count == 1)
      let after = try region.copy().open()
      #expect(isSame(try after.get("key"), bytes))
    }
    try store.expectSound()
  }

  @Test func deleteAndPutAgain() throws {
    for round in 0..<100 {
      #expect(try !store.delete("key"))
      try store.put("\(round)", for: "key")
      #expect(try store.contains("key"))
      #expect(store.count == 1)
      #expect(try store.delete("key"))
      #expect(try store.get("key") == nil)
      #expect(try !store.contains("key"))
      #expect(try store.withValue(of: "key") { $0.byteCount } == nil)
      #expect(store.count == 0)
    }
    let after = try region.copy().open()
    #expect(try after.get("key") == nil)
    #expect(after.count == 0)
  }

  @Test func aDeletedKeyStaysAwayAfterEachOpen() throws {
    try store.put("old", for: "key")
    try store.delete("key")
    try store.put("other", for: "other")
    var region = region.copy()
    for _ in 0..<3 {
      let again = try region.open()
      try again.expect([Array("other".utf8): Array("other".utf8)], absent: [Array("key".utf8)])
      try again.close()
      region = region.copy()
    }
  }

  @Test func valueInPlace() throws {
    struct Stop: Error {}
    try store.put("value", for: "key")
    #expect(try store.withValue(of: "key") { array($0) } == Array("value".utf8))
    #expect(try unsafe store.withValue(of: "key".utf8.span.bytes) { $0.byteCount } == 5)
    #expect(throws: Stop.self) { try store.withValue(of: "key") { _ in throw Stop() } }
    #expect(try store.withValue(of: "absent") { _ in throw Stop() } == nil)
    // The read that threw has ended: nothing keeps the store from closing.
    try store.close()
  }

  @Test func aValueInPlaceDoesNotChange() throws {
    for length in [100, 6000] {
      let old = value(1, length: length)
      try store.put(old, for: "key")
      let store = store
      try store.withValue(of: "key") { span in
        for round in 2..<60 { try store.put(value(round, length: length), for: "key") }
        try store.delete("key")
        #expect(array(span) == old)
        #expect(try store.get("key") == nil)
      }
    }
  }

  @Test func readsInsideReads() throws {
    try store.put("inner", for: "outer")
    try store.put("end", for: "inner")
    let store = store
    let found = try store.withValue(of: "outer") { outer in
      try store.withValue(of: outer) { array($0) }
    }
    #expect(found == Array("end".utf8))
  }

  @Test func verifiedReads() throws {
    var options = StoreOptions()
    options.verifiesReads = true
    let region = Region(size: 1 << 20)
    let store = try region.create(options: options)
    let long = value(1, length: 5000)
    try store.put("value", for: "key")
    try store.put(long, for: "long")
    #expect(try store.getString("key") == "value")
    #expect(isSame(try store.get("long"), long))
    try store.forEach { (_: RawSpan, _: RawSpan) -> Void in }
    try store.close()
    // A value's bytes that change under an open store are noticed.
    var image = region.image
    let place = try #require(positions(of: Array(long[1000..<1016]), in: image).first)
    image[place] ^= 1
    let damaged = try Region(image: image).open(options: options)
    guard case .damagedRecord = storeError({ _ = try damaged.get("long") }) else {
      Issue.record("a value with a flipped bit was given out")
      return
    }
    #expect(try damaged.getString("key") == "value")
  }
}
