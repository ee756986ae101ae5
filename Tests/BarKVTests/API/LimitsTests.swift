import Testing

@testable import BarKV

/// How long keys and values may be: one validator for every way in.
@Suite struct LimitsTests {
  private static let sizes = [8 << 10, 64 << 10, 1 << 20, 16 << 20]

  @Test(arguments: sizes) func keysOfEveryLength(size: Int) throws {
    let longest = try Region(size: size).create().limits.maximumKeyLength
    #expect(size < 16 << 20 || longest == 65_535)
    for length in Set([1, 2, 51, 52, 53, 116, longest - 1, longest]).sorted() {
      // On its own, for the smallest region holds little more than one key of the longest.
      let store = try Region(size: size).create()
      let key = value(length, length: length)
      try store.put([1, 2, 3] as [UInt8], for: key)
      try store.expect([key: [1, 2, 3]])
      #expect(try store.delete(key))
      #expect(store.count == 0)
    }
  }

  @Test(arguments: sizes) func keysThatAreNone(size: Int) throws {
    let region = Region(size: size)
    let store = try region.create()
    let before = region.image
    let longest = store.limits.maximumKeyLength
    for key in [[], [UInt8](repeating: 7, count: longest + 1), [UInt8](repeating: 7, count: 70_000)] {
      let refusal = StoreError.invalidKeyLength(key.count, maximum: longest)
      var batch = Batch()
      batch.put("good", for: "good")
      batch.delete(key)
      let ways: [() throws -> Void] = [
        { try store.put("value", for: key) },
        { try store.put("value", for: key, durability: .deferred) },
        {
          try store.put(value(1, length: min(5000, store.limits.maximumValueLength)), for: key, durability: .deferred)
        },
        { _ = try store.get(key) },
        { _ = try store.getString(key) },
        { _ = try store.contains(key) },
        { _ = try store.withValue(of: key) { $0.byteCount } },
        { try store.delete(key) },
        { try store.delete(key, durability: .deferred) },
        { try store.write(batch) },
        { _ = try store.compareAndSwap(key, expected: nil as [UInt8]?, new: "new") },
        { try store.update(key) { _ in .put([1]) } },
      ]
      for (number, way) in ways.enumerated() {
        #expect(storeError(way) == refusal, "way \(number), \(key.count) bytes")
      }
    }
    try store.persist()
    #expect(store.count == 0)
    #expect(region.image == before)
  }

  @Test(arguments: sizes) func valuesOfEveryLength(size: Int) throws {
    var store = try Region(size: size).create()
    let geometry = store.superblock.geometry
    let segment = geometry.segmentSize
    let longest = store.limits.maximumValueLength
    let lengths = Set([
      0, 1, 51, 52, geometry.extentThreshold - 1, geometry.extentThreshold, 4095, 4096, 4097,
      segment - geometry.extentStart - 1, segment - geometry.extentStart, segment - geometry.extentStart + 1,
      segment - 1, segment, segment + 1, 3 * segment - 5,
    ])
    for length in lengths.sorted() where length <= longest {
      let bytes = value(length, length: length)
      do {
        try store.put(bytes, for: "key")
      } catch StoreError.full {
        // Nothing gives space back yet: a new store.
        store = try Region(size: size).create()
        try store.put(bytes, for: "key")
      }
      #expect(isSame(try store.get("key"), bytes), "\(length) bytes")
    }
  }

  @Test(arguments: sizes) func theLongestValueFitsAnEmptyStore(size: Int) throws {
    let region = Region(size: size)
    let store = try region.create()
    let longest = store.limits.maximumValueLength
    let bytes = value(1, length: longest)
    try store.put(bytes, for: "key")
    #expect(isSame(try store.get("key"), bytes))
    let after = try region.copy().open()
    #expect(isSame(try after.get("key"), bytes))
    try after.expectSound()
    #expect(try after.delete("key"))
    #expect(after.count == 0)
  }

  @Test(arguments: sizes) func valuesThatAreTooLong(size: Int) throws {
    let region = Region(size: size)
    let store = try region.create()
    let before = region.image
    let longest = store.limits.maximumValueLength
    let bytes = [UInt8](repeating: 1, count: longest + 1)
    let refusal = StoreError.valueTooLarge(longest + 1, maximum: longest)
    var batch = Batch()
    batch.put("good", for: "good")
    batch.put(bytes, for: "key")
    let ways: [() throws -> Void] = [
      { try store.put(bytes, for: "key") },
      { try store.put(bytes, for: "key", durability: .deferred) },
      { try store.write(batch) },
      { _ = try store.compareAndSwap("key", expected: nil as [UInt8]?, new: bytes) },
      { try store.update("key") { _ in .put(bytes) } },
    ]
    for (number, way) in ways.enumerated() { #expect(storeError(way) == refusal, "way \(number)") }
    try store.persist()
    #expect(store.count == 0)
    #expect(region.image == before)
  }

  @Test(arguments: sizes) func theLongestKeyWithEveryValue(size: Int) throws {
    let threshold = try Region(size: size).create().superblock.geometry.extentThreshold
    for length in [0, 1, threshold - 1, threshold] {
      let store = try Region(size: size).create()
      let key = value(1, length: store.limits.maximumKeyLength)
      let bytes = value(length, length: length)
      try store.put(bytes, for: key)
      #expect(isSame(try store.get(key), bytes), "\(length) bytes")
      #expect(try store.delete(key))
      #expect(try !store.contains(key))
    }
  }

  @Test func valueOf64MiB() throws {
    let file = TemporaryFile()
    let bytes = value(64, length: 64 << 20)
    do {
      let store = try Store.create(at: file.address, size: 160 << 20)
      try store.put(bytes, for: "large")
      #expect(isSame(try store.get("large"), bytes))
      // Overwritten while the old one still stands beside it.
      try store.put(Array(bytes.reversed()), for: "large")
      try store.put("small", for: "small")
      try store.close()
    }
    let store = try Store.open(at: file.address)
    #expect(isSame(try store.get("large"), Array(bytes.reversed())))
    #expect(try store.getString("small") == "small")
    try store.expectSound()
  }
}
