import Testing

@testable import BarKV

/// Numbers that nothing could have counted up to, behind right checksums: taken for what they are, and never added to.
@Suite struct ExtremeNumberTests {
  /// A closed image with both manifest areas as given.
  private func image(_ sample: SampleStore, manifest: Manifest) throws -> [UInt8] {
    let superblock = try Image.Map(sample.closed).superblock
    var image = sample.closed
    let encoded = manifest.encoded(seed: superblock.seed)
    for area in 0..<2 {
      let start = superblock.geometry.manifestOffset(area)
      image.replaceSubrange(start..<start + encoded.count, with: encoded)
    }
    return image
  }

  private static let manifests = [
    Manifest(commit: .max), Manifest(commit: 1 << 62), Manifest(commit: 3, ownerEpoch: .max),
    Manifest(commit: 3, ownerEpoch: 1 << 32), Manifest(commit: 3, sequence: .max),
    Manifest(commit: 3, sequence: 1 << 62),
  ]

  @Test(arguments: 0..<6, [true, false])
  func aManifestBeyondAllCountsIsDamage(_ number: Int, _ isClosed: Bool) throws {
    let sample = try SampleStore()
    var manifest = Self.manifests[number]
    manifest.isClosed = isClosed
    let image = try image(sample, manifest: manifest)
    for access in [Access.readOnly, .readWrite] {
      let keeper = ImageKeeper(image)
      let store = try Image.open(image, access: access, keeper: keeper)
      #expect(store.recovery.damage.map(\.kind) == [.manifest, .manifest])
      for (key, value) in sample.contents { #expect(try store.get(key) == value) }
      if access == .readWrite {
        // The next commit is an ordinary one again.
        try store.put("value", for: "new")
        try store.close()
        let again = try Image.open(keeper.bytes)
        #expect(again.recovery.wasClosed && again.recovery.damageCount == 0)
        #expect(try again.getString("new") == "value")
      }
    }
  }

  @Test func theLastOwnerEpochIsReadOnly() throws {
    let sample = try SampleStore()
    var manifest = Manifest(commit: 9, ownerEpoch: UInt64(UInt32.max), sequence: 1000)
    manifest.isClosed = true
    let image = try image(sample, manifest: manifest)
    let store = try Image.open(image)
    for (key, value) in sample.contents { #expect(try store.get(key) == value) }
    #expect(throws: StoreError.corrupt("the owner epoch has no successor")) {
      _ = try Image.open(image, access: .readWrite)
    }
  }

  @Test(arguments: [UInt64.max, 1 << 62]) func aSegmentBeyondAllSequencesIsDamage(_ base: UInt64) throws {
    let sample = try SampleStore()
    let map = try Image.Map(sample.closed)
    var header = try #require(map.segments.first { $0.kind == .log })
    header.baseSequence = base
    let encoded = header.encoded(seed: map.superblock.seed)
    let start = map.superblock.geometry.segmentOffset(header.segment)
    var image = sample.closed
    image.replaceSubrange(start..<start + Geometry.segmentHeaderBytes, with: encoded + encoded)
    let lost = Set(map.records.filter { $0.segment == header.segment }.map(\.key))
    for access in [Access.readOnly, .readWrite] {
      let store = try Image.open(image, access: access)
      #expect(store.recovery.damage.contains { $0.kind == .segmentHeader && $0.offset == UInt64(start) })
      for (key, value) in sample.contents where !lost.contains(Array(key.utf8)) {
        #expect(try store.get(key) == value)
      }
      if access == .readWrite { try store.put("value", for: "new") }
      try store.close()
    }
  }
}
