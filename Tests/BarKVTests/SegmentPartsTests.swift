import Testing

@testable import BarKV

/// Reading a segment in parts: what they come to is what reading it from front to back finds.
@Suite struct SegmentPartsTests {
  private let superblock: Superblock
  private let header: SegmentHeader

  init() throws {
    superblock = Superblock(
      geometry: try Geometry(regionBytes: 2 << 20, segmentSize: 64 << 10), seed: 7, identifier: (1, 2), created: 0)
    header = SegmentHeader(
      kind: .log, segment: 3, span: 1, generation: 1 << 32 | 5, baseSequence: 100, previousGeneration: 0)
  }

  private var geometry: Geometry { superblock.geometry }
  private var start: Int { geometry.segmentOffset(header.segment) + Geometry.segmentHeaderBytes }
  private var end: Int { geometry.segmentOffset(header.segment) + geometry.segmentSize }

  /// Segments of records of all kinds and lengths, some of them sealed, some damaged, with records in their values.
  @Test func partsTellWhatTheWholeSays() throws {
    var told = 0
    for seed in Seeds.rounds(150) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      let isDamaged = generator.oneIn(2)
      let region = segment(isDamaged: isDamaged, &generator)
      try unsafe region.withUnsafeBytes { region in
        let whole = unsafe describe(scan(region, start..<Int.max))
        for bytes in [1, 2, 7, 64, 300].map({ $0 * lineSize }) {
          let range = unsafe SegmentScan.range(header, from: start, region: region, superblock: superblock)
          let parts = SegmentScan.parts(of: range, bytes: bytes)
          #expect(parts.first?.lowerBound == start && parts.last?.upperBound == range.upperBound)
          let scans = parts.map { unsafe scan(region, $0) }
          let joined = SegmentScan.joined(scans, segmentSize: geometry.segmentSize)
          if let joined {
            told += 1
            try #require(describe(joined) == whole, "seed \(seed), parts of \(bytes) bytes")
          }
          let isDoubted =
            scans.reduce(0) { $0 + $1.doubtedBytes } > RecordSearch.doubtLimit(segmentSize: geometry.segmentSize)
          #expect(
            joined != nil || isDamaged || isDoubted, "seed \(seed), parts of \(bytes) bytes: nothing is in the way")
        }
      }
    }
    #expect(told > 0)
  }

  /// A record whose number is too low for its place is none; where it is the first of a part, that part cannot know.
  @Test func whatIsHiddenAtTheStartOfAPart() throws {
    var region = [UInt8](repeating: 0, count: geometry.regionBytes)
    var position = start
    for delta: UInt32 in [10, 11, 5, 12] {
      position += lay(.put, key(Int(delta)), value(1, length: 20), delta: delta, at: position, in: &region)
    }
    unsafe region.withUnsafeBytes { region in
      let whole = unsafe scan(region, start..<Int.max)
      #expect(whole.hidden == [start + 2 * lineSize])
      let parts = SegmentScan.parts(of: start..<end, bytes: 2 * lineSize).map { unsafe scan(region, $0) }
      #expect(SegmentScan.joined(parts, segmentSize: geometry.segmentSize) == nil)
    }
  }

  // MARK: Segments

  private func segment(isDamaged: Bool, _ generator: inout SeededGenerator) -> [UInt8] {
    var region = [UInt8](repeating: 0, count: geometry.regionBytes)
    if generator.oneIn(3), isDamaged {
      region.replaceSubrange(start..<end, with: generator.bytes(end - start))
    }
    let limit = generator.oneIn(2) ? end - lineSize : start + generator.below(end - start)
    var position = start
    var delta: UInt32 = 1
    var inBatch = 0
    while position < limit - 70 * lineSize {
      delta += UInt32(1 + generator.below(3))
      if isDamaged, generator.oneIn(60) {
        // Nothing, or anything.
        position += (1 + generator.below(5)) * lineSize
        continue
      }
      if isDamaged, generator.oneIn(60) { delta = UInt32(generator.below(Int(delta))) }
      if inBatch == 0, generator.oneIn(10) {
        inBatch = 1 + generator.below(40)
        let content = BatchFragment(
          sequence: header.baseSequence + UInt64(delta) + 1, total: inBatch, first: 0, count: inBatch)
        var bytes: [UInt8] = []
        try? unsafe content.withEncoded { unsafe bytes = Array($0) }
        position += lay(.batch, [], bytes, delta: delta, at: position, in: &region)
        // A batch's numbers have no gaps.
        delta += 1
      }
      if inBatch > 0 { inBatch -= 1 }
      let length = generator.oneIn(8) ? generator.below(4000) : generator.below(100)
      var content = generator.bytes(length)
      if isDamaged, generator.oneIn(4), length >= 3 * lineSize {
        // A record that would be one if it stood for itself, on a line of its own.
        var record = [UInt8](repeating: 0, count: lineSize)
        lay(.put, [1], [2], delta: delta + UInt32(generator.below(9)), at: 0, in: &record)
        let at = 2 * lineSize - Record.headerBytes - 4
        content.replaceSubrange(at..<at + lineSize, with: record)
      }
      position += lay(
        generator.oneIn(6) ? .delete : .put, Array("key\(generator.below(10))".utf8),
        content, delta: delta, isSettled: generator.oneIn(3), at: position, in: &region)
    }
    if generator.oneIn(3) { lay(.seal, [], [], delta: 0, at: position, in: &region) }
    return region
  }

  /// Lays a record over the region's bytes at `offset`; the bytes that it takes. A delete has no value.
  @discardableResult
  private func lay(
    _ kind: RecordKind, _ key: [UInt8], _ value: [UInt8], delta: UInt32, isSettled: Bool = true, at offset: Int,
    in region: inout [UInt8]
  ) -> Int {
    let salt = header.salt(seed: superblock.seed)
    let value = kind == .delete ? [] : value
    unsafe region.withUnsafeMutableBytes { region in
      unsafe key.withUnsafeBytes { key in
        unsafe value.withUnsafeBytes { value in
          unsafe Record.build(
            region.baseAddress! + offset, delta: delta, key: key, value: value, kind: kind, isSettled: isSettled,
            salt: salt)
        }
      }
    }
    return Record.lines(keyLength: key.count, valueLength: value.count) * lineSize
  }

  // MARK: Scans

  @unsafe
  private func scan(_ region: UnsafeRawBufferPointer, _ range: Range<Int>) -> SegmentScan {
    unsafe SegmentScan(
      header, from: range.lowerBound, until: range.upperBound, atLeast: header.baseSequence, region: region,
      superblock: superblock
    ) { unsafe KeyHash.of($0, seed: superblock.seed) }
  }

  /// All that a scan says.
  private func describe(_ scan: SegmentScan) -> [String] {
    scan.entryParts.joined().map {
      "\(scan.offset(of: $0)) \($0.hash) \($0.sequence(base: header.baseSequence)) \($0.isDelete)"
    } + [
      "\(scan.start) \(scan.tail) \(scan.entryCount) \(scan.recordCount) \(scan.lastSettled) \(scan.highestSequence)",
      "\(scan.extentRecords) \(scan.gaps) \(scan.hidden) \(String(describing: scan.sealOffset))",
      "\(scan.fragments) \(scan.reservations) \(scan.hasBytesAtTail) \(scan.isBounded)",
    ]
  }
}
