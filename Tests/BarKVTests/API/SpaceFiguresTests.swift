import Testing

@testable import BarKV

/// What the figures promise about space: what fits, and how much.
@Suite struct SpaceFiguresTests {
  static let sizes = [
    // Few segments, whose index is written anew; many; values in extents.
    (size: 16 << 20, segment: 128 << 10, value: 100), (size: 32 << 20, segment: 64 << 10, value: 100),
    (size: 32 << 20, segment: 64 << 10, value: 8), (size: 32 << 20, segment: 64 << 10, value: 1000),
    (size: 32 << 20, segment: 64 << 10, value: 5000),
  ]

  /// A store that is filled with records of one size ends near what it said when it was a quarter full.
  @Test(arguments: sizes.prefix(max(1, sizes.count / Seeds.share)))
  func aStoreHoldsWhatItSaid(size: Int, segment: Int, value length: Int) throws {
    let store = try Region(size: size).create(segmentSize: segment)
    let bytes = value(1, length: length)
    let empty = store.statistics.usableBytes
    var said: [(usable: UInt64, live: UInt64)] = []
    var number = 0
    while storeError({ try store.put(bytes, for: key(number)) }) != .full {
      number += 1
      if number.isMultiple(of: 512) { said.append((store.statistics.usableBytes, store.statistics.liveBytes)) }
    }
    let end = Double(store.statistics.liveBytes) * UsableSpace.comfort(store.superblock.geometry)
    #expect(said.count > 4)
    // What lives beyond what is usable is named as it is.
    for (step, (usable, live)) in said.enumerated() where step >= said.count / 4 && usable > live {
      #expect(abs(Double(usable) / end - 1) < 0.04, "said \(usable) at step \(step) of \(said.count), was \(end)")
    }
    // An empty one presumes records of 128 bytes.
    if length == 100 { #expect(abs(Double(empty) / end - 1) < 0.04, "said \(empty) when empty, was \(end)") }
  }

  /// A key for which a record beside a long value takes one line, and not a byte less.
  private static func longKey(_ number: Int) -> [UInt8] { key(number) + [UInt8](repeating: 7, count: Log.shortKey - 4) }

  /// In a store in which nothing is dead that could be had, a value of the length that is said fits, and no longer one.
  @Test(arguments: [64 << 10, 1 << 20]) func theLargestValueThatFits(size: Int) throws {
    var exact = 0
    for seed in Seeds.rounds(6) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      var options = StoreOptions()
      options.maintainsInBackground = false
      let store = try Region(size: size).create(seed: seed, options: options)
      let granule = store.superblock.geometry.extentAlignment
      for step in 0..<40 {
        // Extents and records in turn, of which some go again: what is free is in pieces.
        let length = generator.oneIn(2) ? generator.below(size / 10) : generator.below(600)
        _ = try isDone { try store.put(generator.bytes(length), for: Self.longKey(generator.below(40))) }
        if generator.oneIn(3) { try store.delete(Self.longKey(generator.below(40))) }
        guard generator.oneIn(3) else { continue }
        let said = store.statistics.largestValueBytes
        // One that is longer sets free what is dead, where there is any; then it is no test of what was there.
        let longer = (said ?? -1) + 1
        if longer <= store.limits.maximumValueLength {
          let refused = storeError { try store.put([UInt8](repeating: 1, count: longer), for: Self.longKey(1000)) }
          if refused == nil {
            try store.delete(Self.longKey(1000))
            continue
          }
          #expect(refused == .full)
          if store.statistics.largestValueBytes == said { exact += 1 }
        }
        guard let fits = store.statistics.largestValueBytes else { continue }
        try store.put([UInt8](repeating: 2, count: fits), for: Self.longKey(2000))
        #expect(try store.get(Self.longKey(2000))?.count == fits, "seed \(seed), step \(step), granule \(granule)")
        try store.delete(Self.longKey(2000))
      }
    }
    #expect(exact >= 3, "hardly ever was the store such that nothing could be had")
  }

  /// Every second segment is free and none has a neighbour: many bytes are free, and only what one segment takes fits.
  @Test func aFragmentedStore() throws {
    let store = try Region(size: 4 << 20).create(segmentSize: 64 << 10)
    let geometry = store.superblock.geometry
    let whole = geometry.segmentSize - geometry.extentStart
    var number = 0
    while storeError({ try store.put([UInt8](repeating: 1, count: whole), for: Self.longKey(number)) }) != .full {
      number += 1
    }
    for other in stride(from: 0, to: number, by: 2) { try store.delete(Self.longKey(other)) }
    try store.compact()
    // The neighbours that there are, in what was free from the beginning.
    while storeError({ try store.put([UInt8](repeating: 1, count: whole + 1), for: Self.longKey(number)) }) != .full {
      number += 1
    }
    let statistics = store.statistics
    #expect(statistics.freeBytes - statistics.reservedBytes > 8 * UInt64(geometry.segmentSize))
    #expect(statistics.largestValueBytes == whole)
    #expect(storeError { try store.put([UInt8](repeating: 2, count: whole + 1), for: Self.longKey(9000)) } == .full)
    try store.put([UInt8](repeating: 2, count: whole), for: Self.longKey(9000))
  }

  /// The figures of the index, of the tail and of maintenance follow what is done.
  @Test func indexAndTail() throws {
    var options = StoreOptions()
    options.maintainsInBackground = false
    let region = Region(size: 4 << 20)
    let store = try region.create(segmentSize: 64 << 10, options: options)
    var last = store.statistics
    #expect(last.metadataBytes == last.regionBytes - last.capacityBytes && last.metadataBytes > 0)
    #expect(last.runCount == 0 && last.runBytes == 0 && last.checkpointCount == 0)
    for number in 0..<1000 { try store.put(value(number, length: 100), for: key(number)) }
    // And the seals of the segments that were filled.
    #expect(store.statistics.tailBytes == 1000 * 128 + 64)
    try store.checkpoint()
    last = store.statistics
    #expect(last.tailBytes == 0)
    #expect(last.checkpointCount == 1)
    #expect(last.runCount >= 1)
    #expect(last.runBytes == last.runBytesWritten)
    // 8 bytes a key, and a little for blocks and headers.
    #expect((8000...10_000).contains(last.runBytes))
    #expect(last.residentIndexBytes > 0 && last.residentIndexBytes < last.indexBytes)
    for number in 0..<900 { try store.delete(key(number)) }
    #expect(store.statistics.tailBytes == 900 * 64 + 64)
    try store.compact()
    #expect(store.statistics.copiedBytes > 0)
    #expect(store.statistics.checkpointCount > 1)
    // A read-only open finds the same runs, and the same tail.
    try store.put("x", for: "y")
    let again = try region.copy().open(access: .readOnly)
    #expect(again.statistics.runBytes == store.statistics.runBytes)
    #expect(again.statistics.runCount == store.statistics.runCount)
    #expect(again.statistics.tailBytes == 64)
    #expect(again.statistics.checkpointCount == 0 && again.statistics.runBytesWritten == 0)
  }
}
