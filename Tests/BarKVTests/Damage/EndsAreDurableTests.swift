import Testing

@testable import BarKV

/// Seals that no record follows, and a header that another thread uses: a power cut right behind the call that needs them
/// must not take them. They come so rarely that the crash rig's workloads hardly meet them.
@Suite struct EndsAreDurableTests {
  private static let domains: [PersistenceDomain] = [
    .processOnly, .cacheFlush, .readBack, .pmrStatusRead, .pmrMemoryRead,
  ]

  private func open(
    _ region: Region, _ pending: PendingLines, _ domain: PersistenceDomain, _ options: StoreOptions = StoreOptions()
  ) throws -> Store {
    let medium = try Medium.memory(image: region.image, domain: domain, observer: pending)
    return try Recovery.open(medium, path: "memory", access: .readWrite, options: options)
  }

  /// A close seals the open segments that its manifest has no room for.
  @Test(arguments: domains) func sealsOfAClose(_ domain: PersistenceDomain) throws {
    let region = Region(size: 16 << 10)
    let store = try region.create(segmentSize: 1 << 10)
    try store.put("value", for: "key")
    try store.close()
    let pending = PendingLines(region, domain: domain)
    let next = try open(region, pending, domain)
    #expect(try next.log.openSegments(capacity: 0).isEmpty)
    #expect(pending.lines == [], "a seal is not durable")
    #expect(pending.sites.contains(.closingSeal))
    let editor = ImageEditor(region.image)
    let segment = try #require(editor.usedSegments.first)
    #expect(editor.records(ofSegment: segment).count == 2, "the record and the seal")
  }

  /// Recovery seals a segment of which it dropped the proof of damage.
  @Test(arguments: domains) func sealsInPlaceOfAProof(_ domain: PersistenceDomain) throws {
    let region = Region(image: try DamageAndCrashTests.imageWhoseProofIsDropped().image)
    let pending = PendingLines(region, domain: domain)
    let store = try open(region, pending, domain)
    #expect(pending.lines == [], "a seal is not durable")
    #expect(pending.sites.contains(.proofSeal))
    #expect(store.recovery.damageCount == 1)
  }

  /// Recovery seals a segment that has lost its end.
  @Test(arguments: domains) func sealsOfALostEnd(_ domain: PersistenceDomain) throws {
    let region = Region(size: 16 << 10)
    let store = try region.create(segmentSize: 1 << 10)
    try store.put("value", for: "key")
    try store.put("value", for: "last")
    try store.close()
    var editor = ImageEditor(region.image)
    let segment = try #require(editor.usedSegments.first)
    editor.flip(bit: try #require(editor.records(ofSegment: segment).last) * 8)
    let damaged = Region(image: editor.bytes)
    let pending = PendingLines(damaged, domain: domain)
    let next = try open(damaged, pending, domain)
    #expect(pending.lines == [], "a seal is not durable")
    #expect(next.recovery.damageCount == 1)
    #expect(ImageEditor(damaged.image).records(ofSegment: segment).count == 2, "the record and the seal")
  }

  /// A thread opens a segment for its extent, and another one's extent goes there, too, and is durable first: with the header.
  @Test(arguments: domains) func aHeaderThatAnotherThreadWrote(_ domain: PersistenceDomain) throws {
    var options = StoreOptions()
    options.maximumLanes = 1
    let region = Region(size: 16 << 10)
    try region.create(segmentSize: 1 << 10, options: options).close()
    let pending = PendingLines(region, domain: domain)
    let store = try open(region, pending, domain, options)
    let value = [UInt8](repeating: 1, count: 300)
    // As far as a put gets before its barrier.
    let written = try unsafe value.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
      try unsafe store.log.writeExtent(bytes)
    }
    try #require(Thread { try? store.put(value, for: "key") }).join()
    #expect(try store.get("key") == value)
    let geometry = store.superblock.geometry
    let segment = geometry.segment(at: written.reference.offset)
    let start = geometry.segmentOffset(segment)
    try #require(start + store.log.segments.used(segment) * lineSize >= written.range.upperBound + value.count)
    let header = start / lineSize
    #expect(Set(pending.lines).isDisjoint(with: header..<header + 2), "the header is not durable")
  }
}
