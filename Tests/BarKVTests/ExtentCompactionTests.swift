import Testing

@testable import BarKV

/// Values in extents, overwritten for years: their segments come back although something lives in each.
@Suite struct ExtentCompactionTests {
  /// A store of few segments, and one of so many that the index is merged in parts.
  @Test(arguments: [4 << 20, 20 << 20]) func overwritingGoesOn(size: Int) throws {
    for seed in Seeds.rounds(2) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      let region = Region(size: size)
      var store = try region.create(seed: seed)
      let length = 8192
      let count = Int(store.statistics.usableBytes) / (length + 128) * 8 / 10
      var contents: Contents = [:]
      for number in 0..<count {
        contents[key(number)] = value(number, length: length)
        try store.put(contents[key(number)] ?? [], for: key(number))
      }
      for step in 0..<3 * count {
        let key = key(generator.below(count))
        // Some end in records, some in extents of another size.
        let bytes = value(step, length: generator.oneIn(8) ? generator.below(length) : length)
        try store.put(bytes, for: key)
        contents[key] = bytes
        if step == count { try store.expect(contents) }
      }
      try store.expect(contents)
      try store.expectSound()
      let crashed = region.copy()
      store = try crashed.open()
      try store.expect(contents)
      try store.expectSound()
    }
  }

  /// Every other value goes: half of the segments come back.
  @Test func compactMovesThem() throws {
    let region = Region(size: 8 << 20)
    let store = try region.create()
    var contents: Contents = [:]
    for number in 0..<500 {
      let bytes = value(number, length: 8192)
      try store.put(bytes, for: key(number))
      if number % 2 == 0 { contents[key(number)] = bytes }
    }
    for number in 0..<500 where number % 2 == 1 { try store.delete(key(number)) }
    let before = store.statistics
    let won = try store.compact()
    let after = store.statistics
    #expect(won > 1_500_000)
    #expect(after.freeBytes > before.freeBytes + 1_500_000)
    #expect(after.liveBytes == before.liveBytes)
    #expect(after.copiedBytes > before.copiedBytes + 1_500_000)
    try store.expect(contents)
    try store.expectSound()
    try store.close()
    let reopened = try region.open()
    #expect(reopened.recovery.wasClosed)
    try reopened.expect(contents)
    try reopened.expectSound()
  }

  /// A reader keeps what it looks at, wherever its key's value has gone meanwhile.
  @Test func aViewStays() throws {
    let store = try Region(size: 8 << 20).create()
    for number in 0..<500 { try store.put(value(number, length: 8192), for: key(number)) }
    for number in 0..<500 where number % 3 != 0 { try store.delete(key(number)) }
    let isSame = try store.withValue(of: key(3)) { view -> Bool in
      _ = try? store.compact()
      for number in 1000..<1200 { _ = try? store.put(value(number, length: 8192), for: key(number)) }
      let expected = value(3, length: 8192)
      return unsafe view.withUnsafeBytes { unsafe Array($0) } == expected
    }
    #expect(isSame == true)
    #expect(try store.get(key(3)) == value(3, length: 8192))
  }

  /// A value that is damaged is not copied: its copy would have a checksum that is right.
  @Test func damageIsNotMoved() throws {
    let region = Region(size: 8 << 20)
    var store = try region.create()
    for number in 0..<200 { try store.put(value(number, length: 8192), for: key(number)) }
    for number in 0..<200 where number % 4 != 0 { try store.delete(key(number)) }
    try store.close()
    var image = region.image
    image[try #require(positions(of: value(40, length: 8192), in: image).first) + 100] ^= 0xFF
    store = try Region(image: image).open()
    try store.compact()
    #expect(store.statistics.copiedBytes > 0)
    #expect(try !store.verify().isSound)
    for number in stride(from: 0, to: 200, by: 4) where number != 40 {
      #expect(try store.get(key(number)) == value(number, length: 8192))
    }
  }
}
