@testable import BarKV

/// A log segment in memory, for tests that lay records there by hand and read it.
struct TestSegment {
  let superblock: Superblock
  let header = SegmentHeader(
    kind: .log, segment: 3, span: 1, generation: 1 << 32 | 5, baseSequence: 100, previousGeneration: 0)

  init(regionBytes: Int, segmentSize: Int) throws {
    superblock = Superblock(
      geometry: try Geometry(regionBytes: regionBytes, segmentSize: segmentSize), seed: 7, identifier: (1, 2),
      created: 0)
  }

  var geometry: Geometry { superblock.geometry }
  /// Where records begin.
  var start: Int { geometry.segmentOffset(header.segment) + Geometry.segmentHeaderBytes }
  var end: Int { geometry.segmentOffset(header.segment) + geometry.segmentSize }

  /// Lays a record over the region's bytes at `offset`; the bytes that it takes.
  @discardableResult
  func lay(
    _ kind: RecordKind, _ key: [UInt8], _ value: [UInt8], delta: UInt32, isSettled: Bool = true, at offset: Int,
    in region: inout [UInt8]
  ) -> Int {
    let salt = header.salt(seed: superblock.seed)
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

  /// Reads the records that begin within `range`.
  @unsafe
  func scan(_ region: UnsafeRawBufferPointer, _ range: Range<Int>) -> SegmentScan {
    unsafe SegmentScan(
      header, from: range.lowerBound, until: range.upperBound, atLeast: header.baseSequence, region: region,
      superblock: superblock
    ) { unsafe KeyHash.of($0, seed: superblock.seed) }
  }
}
