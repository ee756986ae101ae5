import Testing

@testable import BarKV

/// Clocks that go backward: nothing is decided by one. Versions are told apart by sequence numbers, owners by epochs; the
/// one time in a region is for people.
@Suite struct ClockTests {
  @Test(arguments: [UInt64(0), 1, .max]) func theTimeOfCreationDecidesNothing(created: UInt64) throws {
    let image = [UInt8](repeating: 0, count: 64 << 10)
    let region = Region(image: image)
    let geometry = try Geometry(regionBytes: image.count, segmentSize: nil)
    let store = try Store.create(
      on: Medium.memory(image: image, observer: region), geometry: geometry, path: "memory", options: StoreOptions(),
      superblock: Superblock(geometry: geometry, seed: 1, identifier: (2, 3), created: created))
    for version in 0..<10 { try store.put("\(version)", for: "key") }
    let crashed = try region.copy().open()
    #expect(try crashed.getString("key") == "9")
    try store.close()
    let again = try region.open()
    #expect(again.superblock.created == created)
    #expect(try again.getString("key") == "9")
    #expect(again.statistics.ownerEpoch == 2)
  }
}
