import Testing

@testable import BarKV

/// Reading a segment in parts: what they come to is what reading it from front to back finds.
@Suite struct SegmentPartsTests {
  private let segment: TestSegment

  init() throws {
    segment = try TestSegment(regionBytes: 2 << 20, segmentSize: 64 << 10)
  }

  private var geometry: Geometry { segment.geometry }
  private var start: Int { segment.start }
  private var end: Int { segment.end }

  /// Segments of records of all kinds and lengths, some of them sealed, some damaged, with records in their values.
  @Test func partsTellWhatTheWholeSays() throws {
    var told = 0
    for seed in Seeds.rounds(150) {
      Seeds.announce(seed)
      var generator = SeededGenerator(seed: seed)
      let isDamaged = generator.oneIn(2)
      let region = bytes(isDamaged: isDamaged, &generator)
      try unsafe region.withUnsafeBytes { region in
        let whole = unsafe describe(segment.scan(region, start..<Int.max))
        for bytes in [1, 2, 7, 64, 300].map({ $0 * lineSize }) {
          let range = unsafe SegmentScan.range(
            segment.header, from: start, region: region, superblock: segment.superblock)
          let parts = SegmentScan.parts(of: range, bytes: bytes)
          #expect(parts.first?.lowerBound == start && parts.last?.upperBound == range.upperBound)
          let scans = parts.map { unsafe segment.scan(region, $0) }
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
      position += segment.lay(.put, key(Int(delta)), value(1, length: 20), delta: delta, at: position, in: &region)
    }
    unsafe region.withUnsafeBytes { region in
      let whole = unsafe segment.scan(region, start..<Int.max)
      #expect(whole.hidden == [start + 2 * lineSize])
      let parts = SegmentScan.parts(of: start..<end, bytes: 2 * lineSize).map { unsafe segment.scan(region, $0) }
      #expect(SegmentScan.joined(parts, segmentSize: geometry.segmentSize) == nil)
    }
  }

  private func bytes(isDamaged: Bool, _ generator: inout SeededGenerator) -> [UInt8] {
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
          sequence: segment.header.baseSequence + UInt64(delta) + 1, total: inBatch, first: 0, count: inBatch)
        var bytes: [UInt8] = []
        try? unsafe content.withEncoded { unsafe bytes = Array($0) }
        position += segment.lay(.batch, [], bytes, delta: delta, at: position, in: &region)
        // A batch's numbers have no gaps.
        delta += 1
      }
      if inBatch > 0 { inBatch -= 1 }
      let length = generator.oneIn(8) ? generator.below(4000) : generator.below(100)
      var content = generator.bytes(length)
      if isDamaged, generator.oneIn(4), length >= 3 * lineSize {
        // A record that would be one if it stood for itself, on a line of its own.
        var record = [UInt8](repeating: 0, count: lineSize)
        segment.lay(.put, [1], [2], delta: delta + UInt32(generator.below(9)), at: 0, in: &record)
        let at = 2 * lineSize - Record.headerBytes - 4
        content.replaceSubrange(at..<at + lineSize, with: record)
      }
      let isDelete = generator.oneIn(6)
      position += segment.lay(
        isDelete ? .delete : .put, Array("key\(generator.below(10))".utf8), isDelete ? [] : content, delta: delta,
        isSettled: generator.oneIn(3), at: position, in: &region)
    }
    if generator.oneIn(3) { segment.lay(.seal, [], [], delta: 0, at: position, in: &region) }
    return region
  }

  /// All that a scan says.
  private func describe(_ scan: SegmentScan) -> [String] {
    scan.entryParts.joined().map {
      "\(scan.offset(of: $0)) \($0.hash) \($0.sequence(base: segment.header.baseSequence)) \($0.isDelete)"
    } + [
      "\(scan.start) \(scan.tail) \(scan.entryCount) \(scan.recordCount) \(scan.lastSettled) \(scan.highestSequence)",
      "\(scan.extentRecords) \(scan.gaps) \(scan.hidden) \(String(describing: scan.sealOffset))",
      "\(scan.fragments) \(scan.reservations) \(scan.hasBytesAtTail) \(scan.isBounded)",
    ]
  }
}
