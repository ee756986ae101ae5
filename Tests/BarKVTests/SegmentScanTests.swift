import Testing

@testable import BarKV

/// Reading a segment at opening: what counts is found among whatever an earlier use left.
@Suite struct SegmentScanTests {
  private let segment: TestSegment

  init() throws {
    segment = try TestSegment(regionBytes: 4 << 20, segmentSize: 256 << 10)
  }

  private var superblock: Superblock { segment.superblock }
  private var header: SegmentHeader { segment.header }
  private var start: Int { segment.start }

  private func scan(_ region: [UInt8]) -> SegmentScan {
    unsafe region.withUnsafeBytes { unsafe segment.scan($0, start..<Int.max) }
  }

  @Test func aSegmentFullOfAnythingCostsLittle() throws {
    let seed = Seeds.rounds(1)[0]
    Seeds.announce(seed)
    var generator = SeededGenerator(seed: seed)
    var region = generator.bytes(superblock.geometry.regionBytes)
    let first = segment.lay(.put, key(1), value(1, length: 100), delta: 1, at: start, in: &region)
    // In front of it as many bytes of any kind as the bound lets through many times over.
    let last = superblock.geometry.segmentOffset(header.segment + 1) - 128 * lineSize
    segment.lay(.put, generator.bytes(5000), value(2, length: 300), delta: 2, at: last, in: &region)
    let scan = scan(region)
    #expect(scan.entryParts.joined().map { scan.offset(of: $0) } == [start, last], "seed \(seed)")
    #expect(scan.gaps == [start + first..<last], "seed \(seed)")
    #expect(scan.doubtedBytes > 0, "seed \(seed): nothing looked like a record; the test shows nothing")
    #expect(scan.doubtedBytes <= 2 * superblock.geometry.segmentSize, "seed \(seed)")
  }

  @Test func aFlippedBitOfPaddingTakesNoRecordAway() throws {
    var region = [UInt8](repeating: 0, count: superblock.geometry.regionBytes)
    let long = [UInt8](repeating: 1, count: 5000)
    var offset = start
    for number in 0..<3 {
      let bytes = segment.lay(
        .put, long + [UInt8(number)], value(number, length: 200), delta: UInt32(number), at: offset, in: &region)
      region[offset + bytes - 1] ^= 1
      offset += bytes
    }
    let scan = scan(region)
    #expect(scan.entryCount == 3)
    #expect(scan.gaps.isEmpty)
    #expect(scan.doubtedBytes == 3 * (Record.headerBytes + 5001 + 200))
  }
}
