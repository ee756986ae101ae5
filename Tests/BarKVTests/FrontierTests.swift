import Testing

@testable import BarKV

/// How far a segment's records may reach: what is acknowledged is below, and what is not never comes back.
@Suite struct FrontierTests {
  private static var options: StoreOptions {
    var options = StoreOptions()
    options.maintainsInBackground = false
    options.maximumLanes = 1
    return options
  }

  /// The frontier of the first lane's open segment, and where the segment's next record goes.
  private func frontier(_ store: Store) -> (frontier: Int?, position: Int, segment: Int) {
    let lane = unsafe store.log[0]
    let segment = unsafe lane.pointee.segment
    let position = unsafe lane.pointee.position
    let found = unsafe Frontier.read(
      store.medium.bytes, segment: segment, salt: lane.pointee.salt, geometry: store.superblock.geometry)
    return (found, position, segment)
  }

  @Test func largeSegmentsHaveOne() throws {
    for (size, isThere) in [(128 << 10, false), (1 << 20, true), (2 << 20, true)] {
      let store = try Region(size: 32 << 20).create(segmentSize: size, options: Self.options)
      #expect(store.superblock.hasFrontiers == isThere)
      for number in 0..<100 { try store.put(value(number, length: 100), for: key(number)) }
      let (frontier, position, segment) = frontier(store)
      if isThere {
        let step = Frontier.step(store.superblock.geometry)
        #expect(try (position + step...position + 3 * step).contains(#require(frontier)))
      } else {
        let last = Frontier.offset(segment, store.superblock.geometry)
        #expect(unsafe store.medium.bytes[last..<last + lineSize].allSatisfy { $0 == 0 })
      }
    }
  }

  /// The number of lines that frontiers cost.
  @Test func fewPutsMoveIt() throws {
    let store = try Region(size: 64 << 20).create(segmentSize: 2 << 20, options: Self.options)
    var frontiers: Set<Int> = []
    for number in 0..<10_000 {
      try store.put(value(number, length: 100), for: key(number))
      frontiers.insert(frontier(store).frontier ?? 0)
    }
    #expect((10...40).contains(frontiers.count))
    #expect(!frontiers.contains(0))
  }

  @Test func allThatIsAcknowledgedIsBelow() throws {
    let seed = Seeds.rounds(1)[0]
    Seeds.announce(seed)
    var generator = SeededGenerator(seed: seed)
    let store = try Region(size: 256 << 10).create(
      segmentSize: 4 << 10, seed: seed, hasFrontiers: true, options: Self.options)
    for _ in 0..<3_000 {
      let key = key(generator.below(40))
      switch generator.below(5) {
      case 0: try store.delete(key)
      case 1:
        var batch = Batch()
        for number in 0..<generator.below(60) { batch.put(value(number, length: 30), for: BarKVTests.key(number % 40)) }
        try store.write(batch)
      default: try store.put(value(generator.below(100), length: generator.below(900)), for: key)
      }
      let (frontier, position, segment) = frontier(store)
      guard segment >= 0, position > store.superblock.geometry.segmentOffset(segment) + Geometry.segmentHeaderBytes
      else { continue }
      #expect(try #require(frontier) >= position, "seed \(seed)")
    }
    try store.expectSound()
  }

  /// A crash that lost a frontier and kept records behind it: those were never acknowledged. They are absent, and stay so
  /// when the segment is written on.
  @Test(arguments: [false, true]) func whatStandsBehindNeverComesBack(closesBetween: Bool) throws {
    let region = Region(size: 1 << 20)
    let store = try region.create(segmentSize: 64 << 10, hasFrontiers: true, options: Self.options)
    for number in 0..<10 { try store.put(value(number, length: 100), for: key(number)) }
    let (found, _, segment) = frontier(store)
    let before = try #require(found)
    let last = Frontier.offset(segment, store.superblock.geometry)
    let line = Array(region.image[last..<last + lineSize])
    var behind: [Int] = []
    for number in 10..<200 {
      try store.put(value(number, length: 100), for: key(number))
      if frontier(store).position > before { behind.append(number) }
    }
    #expect(behind.count > 50 && behind.count < 190)
    var image = region.image
    image.replaceSubrange(last..<last + lineSize, with: line)

    let crashed = Region(image: image)
    var again = try crashed.open(options: Self.options)
    #expect(again.recovery.damageCount == 0)
    for number in 0..<200 { #expect(try again.contains(key(number)) == !behind.contains(number), "key \(number)") }
    if closesBetween {
      try again.close()
      again = try crashed.open(options: Self.options)
      #expect(again.recovery.wasClosed && again.recovery.damageCount == 0)
    }
    // The next crash may keep a moved frontier and lose the record that moved it.
    let lost = crashed.copy()
    let owner = try lost.open(options: Self.options)
    let until = lost.image
    try owner.put("new", for: "new")
    #expect(try #require(frontier(owner).frontier) > before)
    image = lost.image
    let place = frontier(owner).position - lineSize
    image.replaceSubrange(place..<place + lineSize, with: until[place..<place + lineSize])
    let afterLoss = try Region(image: image).open(options: Self.options)
    for number in 0..<200 {
      #expect(try afterLoss.contains(key(number)) == !behind.contains(number), "key \(number)")
    }
    // One record lets the frontier go beyond some of what stands there; many overwrite it.
    for count in [1, 150] {
      for number in 0..<count { try again.put(value(number + 7, length: 90), for: key(1_000 + number)) }
      #expect(frontier(again).segment == segment)
      let after = try crashed.copy().open(options: Self.options)
      #expect(after.recovery.damageCount == 0)
      for number in 0..<200 { #expect(try after.contains(key(number)) == !behind.contains(number), "key \(number)") }
      for number in 0..<count { #expect(try after.get(key(1_000 + number)) == value(number + 7, length: 90)) }
      try after.expectSound()
    }
  }

  /// A frontier that cannot be read bounds nothing.
  @Test func aDamagedOne() throws {
    let region = Region(size: 8 << 20)
    let store = try region.create(segmentSize: 1 << 20, options: Self.options)
    for number in 0..<3_000 { try store.put(value(number, length: 100), for: key(number)) }
    let last = Frontier.offset(frontier(store).segment, store.superblock.geometry)
    for byte in [0, 2, 5] {
      var image = region.image
      image[last + byte] ^= 0x11
      let again = try Region(image: image).open(options: Self.options)
      #expect(again.recovery.damageCount == 0)
      for number in 0..<3_000 { #expect(try again.contains(key(number))) }
    }
  }
}
