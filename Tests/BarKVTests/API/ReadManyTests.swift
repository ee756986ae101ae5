import Testing

@testable import BarKV

/// Gets of many keys in one call: they answer what single gets answer.
@Suite struct ReadManyTests {
  private let region = Region(size: 16 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
  }

  /// Expects that all ways to read `keys` at once agree with single gets.
  private func expectAgreement(on keys: [[UInt8]], of store: Store) throws {
    let expected = try keys.map { try store.get($0) }
    #expect(try store.values(for: keys) == expected)
    let found = Found()
    try store.withValues(of: keys) { position, value in found.add(position, value) }
    #expect(found.values == expected && found.positions == Array(keys.indices))
    guard let length = keys.first?.count, keys.allSatisfy({ $0.count == length }) else { return }
    let packed = keys.flatMap { $0 }
    let again = Found()
    unsafe try store.withValues(ofKeys: packed.span.bytes, length: length) { position, value in
      again.add(position, value)
    }
    #expect(again.values == expected && again.positions == Array(keys.indices))
  }

  /// What a call handed out.
  private final class Found {
    var positions: [Int] = []
    var values: [[UInt8]?] = []

    func add(_ position: Int, _ value: RawSpan?) {
      positions.append(position)
      if let value { values.append(array(value)) } else { values.append(nil) }
    }
  }

  @Test(arguments: [0, 1, 15, 16, 17, 32, 100]) func anyNumberOfKeys(count: Int) throws {
    for number in 0..<100 where number % 3 != 0 { try store.put(value(number, length: number * 3), for: key(number)) }
    try expectAgreement(on: (0..<count).map { key($0 * 7 % 100) }, of: store)
  }

  @Test func keysOfSixteenBytes() throws {
    let keys = (0..<200).map { value($0, length: 16) }
    for number in 0..<100 { try store.put(value(number, length: 100), for: keys[number]) }
    try expectAgreement(on: keys, of: store)
    try expectAgreement(on: keys.reversed(), of: store)
  }

  @Test func keysOfAnyLengthAndRepeated() throws {
    let keys = (0..<80).map { value($0, length: 1 + $0 * $0 % 300) }
    for number in 0..<60 { try store.put(value(number + 1, length: number), for: keys[number]) }
    try expectAgreement(on: keys + [keys[3], keys[3], keys[70]] + keys, of: store)
  }

  @Test func emptyValuesAndExtents() throws {
    try store.put([UInt8](), for: "empty")
    try store.put(value(1, length: 100_000), for: "long")
    try store.put("short", for: "key")
    let values = try store.values(for: ["long", "absent", "empty", "key", "long"])
    #expect(values == [value(1, length: 100_000), nil, [], Array("short".utf8), value(1, length: 100_000)])
  }

  /// Full buckets, and what stands behind them: tables are at their fullest just before they grow.
  @Test func manyKeys() throws {
    let keys = (0..<20_000).map { key($0) }
    var batch = Batch()
    for number in keys.indices.dropLast(2_000) { batch.put(key(number + 1), for: keys[number]) }
    try store.write(batch)
    let found = Found()
    try store.withValues(of: keys) { position, value in found.add(position, value) }
    let expected = keys.indices.map { $0 < keys.count - 2_000 ? key($0 + 1) : nil }
    #expect(found.values == expected)
  }

  /// What opening left in the region is fetched on first touch.
  @Test func partitionsThatAreNotResident() throws {
    let keys = (0..<2_000).map { key($0) }
    for number in 0..<1_500 { try store.put(value(number, length: 50), for: keys[number]) }
    try store.close()
    var options = StoreOptions()
    options.indexBytes = 0
    let again = try region.open(options: options)
    let values = try again.values(for: keys)
    for number in keys.indices { #expect(values[number] == (number < 1_500 ? value(number, length: 50) : nil)) }
  }

  /// A partition becomes resident, or is taken away again, between two steps of a search by another thread.
  @Test func partitionsThatComeAndGo() throws {
    let keys = (0..<500).map { key($0) }
    for number in keys.indices { try store.put(value(number, length: 50), for: keys[number]) }
    try store.close()
    var options = StoreOptions()
    options.indexBytes = 0
    let again = try region.open(options: options)
    try Threads.run(2) { _ in
      for _ in 0..<60 {
        let absent = try again.values(for: keys).indices { $0 == nil }
        #expect(absent.isEmpty)
      }
    }
  }

  @Test func refusals() throws {
    try store.put("value", for: "key")
    let longest = store.limits.maximumKeyLength
    #expect(storeError { _ = try store.values(for: ["key", ""]) } == .invalidKeyLength(0, maximum: longest))
    let bytes = [UInt8](repeating: 1, count: 10)
    for (length, refused) in [(4, 2), (0, 0), (longest + 1, longest + 1)] {
      let error = storeError { unsafe try store.withValues(ofKeys: bytes.span.bytes, length: length) { _, _ in } }
      #expect(error == .invalidKeyLength(refused, maximum: longest))
    }
    // None of them left a read behind.
    #expect(!store.epochs.isReading)
    try store.close()
    #expect(storeError { _ = try store.values(for: ["key"]) } == .closed)
    #expect(try store.values(for: [String]()).isEmpty)
  }

  @Test func errorsOfTheBody() throws {
    struct Stop: Error {}
    for number in 0..<40 { try store.put("value", for: key(number)) }
    var calls = 0
    #expect(throws: Stop.self) {
      try store.withValues(of: (0..<40).map { key($0) }) { position, _ in
        calls += 1
        if position == 20 { throw Stop() }
      }
    }
    #expect(calls == 21)
    #expect(!store.epochs.isReading)
  }

  /// Reads nest, and writes go on beside a read: also those of the body itself.
  @Test func callsFromTheBody() throws {
    for number in 0..<40 { try store.put(value(number, length: 20), for: key(number)) }
    let keys = (0..<40).map { key($0) }
    let found = Found()
    try store.withValues(of: keys) { (position: Int, value: RawSpan?) throws -> Void in
      try store.put("new", for: keys[position])
      let now = try store.values(for: [keys[position], keys[39]])
      #expect(now[0] == Array("new".utf8))
      found.add(position, value)
    }
    #expect(found.values == (0..<40).map { value($0, length: 20) })
    var refusal: StoreError?
    try store.withValues(of: [key(1)]) { _, _ in refusal = storeError { try store.close() } }
    #expect(refusal == .closedInsideRead)
  }

  @Test func damage() throws {
    var options = StoreOptions()
    options.verifiesReads = true
    for number in 0..<40 { try store.put(value(number, length: 2_000), for: key(number)) }
    // Else recovery would read the record, and leave it out.
    try store.checkpoint()
    var image = region.image
    let part = Array(value(20, length: 2_000)[1_000..<1_016])
    let place = try #require(positions(of: part, in: image).first)
    image[place] ^= 1
    let damaged = try Region(image: image).open(options: options)
    let keys = (0..<40).map { key($0) }
    let error = storeError { _ = try damaged.values(for: keys) }
    guard case .damagedRecord = error else {
      Issue.record("a value with a flipped bit was given out")
      return
    }
    #expect(!damaged.epochs.isReading)
    try expectAgreement(on: keys.filter { $0 != key(20) }, of: damaged)
  }
}
