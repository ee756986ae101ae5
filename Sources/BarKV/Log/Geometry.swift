/// How a region is divided: metadata first, then equal segments.
///
/// ```
/// 0             stride        2 stride     3 stride      firstSegment
/// | superblock A | superblock B | manifest A | manifest B | … | segment 0 | segment 1 | …
/// ```
struct Geometry: Sendable, Equatable {
  /// The region's size in bytes.
  let regionBytes: Int
  /// The distance of the metadata areas.
  let metadataStride: Int
  /// The size of a segment, a power of two.
  let segmentSize: Int
  /// Where segment 0 starts, a multiple of the segment size.
  let firstSegment: Int
  /// How many segments there are.
  let segmentCount: Int
  /// What an extent's start is a multiple of.
  let extentAlignment: Int
  /// Values of this many bytes or more go to an extent.
  let extentThreshold: Int

  static let minimumRegionBytes = 8 << 10
  /// Locators have 40 bits of lines.
  static let maximumRegionBytes = 1 << 46
  static let minimumSegmentSize = 1 << 10
  static let maximumSegmentSize = 1 << 26

  /// Regions of this size and more keep their metadata on pages of their own.
  private static let pagedRegionBytes = 64 << 10
  private static let pageSize = 4096

  /// The copies of a segment's header, on a line each, before its content.
  static let segmentHeaderBytes = 2 * lineSize

  /// Divides a region of `regionBytes`.
  ///
  /// - Parameter segmentSize: a power of two, or `nil` to choose.
  /// - Throws: ``StoreError/invalidSize(bytes:reason:)``, ``StoreError/invalidOption(_:)``.
  init(regionBytes: Int, segmentSize: Int?) throws(StoreError) {
    guard regionBytes >= Self.minimumRegionBytes else {
      throw .invalidSize(bytes: regionBytes, reason: "the smallest has \(Self.minimumRegionBytes)")
    }
    guard regionBytes <= Self.maximumRegionBytes else {
      throw .invalidSize(bytes: regionBytes, reason: "the largest has \(Self.maximumRegionBytes)")
    }
    guard regionBytes % lineSize == 0 else {
      throw .invalidSize(bytes: regionBytes, reason: "it is no multiple of \(lineSize)")
    }
    let size = segmentSize ?? Self.defaultSegmentSize(regionBytes: regionBytes)
    guard size >= Self.minimumSegmentSize, size <= Self.maximumSegmentSize, size & (size - 1) == 0 else {
      throw .invalidOption(
        "a segment is a power of two from \(Self.minimumSegmentSize) to \(Self.maximumSegmentSize) bytes")
    }
    let stride = Self.metadataStride(regionBytes: regionBytes)
    let first = roundUp(4 * stride, to: size)
    let count = max(0, regionBytes - first) / size
    guard count >= 2 else {
      throw .invalidSize(bytes: regionBytes, reason: "it has no room for two segments of \(size) bytes")
    }
    self.regionBytes = regionBytes
    self.metadataStride = stride
    self.segmentSize = size
    self.firstSegment = first
    self.segmentCount = count
    self.extentAlignment = size >= Self.pagedRegionBytes ? Self.pageSize : lineSize
    self.extentThreshold = min(Self.pageSize, size / 4)
  }

  /// The distance of the metadata areas in a region of this size. It depends on the size alone, so that the second
  /// superblock is found when the first is unreadable.
  static func metadataStride(regionBytes: Int) -> Int {
    regionBytes >= pagedRegionBytes ? pageSize : 512
  }

  /// A 128th of the region, from 128 KiB, which holds the longest key, to 4 MiB; less in tiny regions.
  private static func defaultSegmentSize(regionBytes: Int) -> Int {
    if regionBytes >= 1 << 20 {
      return min(max(powerOfTwo(notAbove: regionBytes / 128), 128 << 10), 4 << 20)
    }
    return min(max(powerOfTwo(notAbove: regionBytes / 64), minimumSegmentSize), 64 << 10)
  }

  private static func powerOfTwo(notAbove value: Int) -> Int {
    value <= 0 ? 0 : 1 << (Int.bitWidth - 1 - value.leadingZeroBitCount)
  }

  // MARK: Offsets

  func superblockOffset(_ copy: Int) -> Int { copy * metadataStride }
  func manifestOffset(_ area: Int) -> Int { (2 + area) * metadataStride }
  func segmentOffset(_ segment: Int) -> Int { firstSegment + segment * segmentSize }

  /// The segment that holds the byte at `offset`.
  @inline(__always)
  func segment(at offset: Int) -> Int {
    (offset &- firstSegment) >> segmentSize.trailingZeroBitCount
  }

  /// The bytes of a segment that records can use: not its headers, nor its last line, which a seal needs.
  var recordBytesPerSegment: Int { segmentSize - Self.segmentHeaderBytes - lineSize }

  /// The lines of a segment that records can use.
  var recordLinesPerSegment: Int { recordBytesPerSegment / lineSize }

  /// Where the first extent of a segment starts, from the segment's start.
  var extentStart: Int { roundUp(Self.segmentHeaderBytes, to: extentAlignment) }

  /// How many neighbouring segments an extent of `bytes` takes.
  func segmentSpan(extentBytes bytes: Int) -> Int {
    (extentStart + bytes + segmentSize - 1) / segmentSize
  }

  // MARK: Limits

  /// The longest key: 65,535 bytes, or what fits into a segment beside a batch's header and an extent's reference.
  var maximumKeyLength: Int {
    min(65_535, recordBytesPerSegment - lineSize - Record.headerBytes - ExtentReference.encodedBytes)
  }

  /// The longest value: 1 GiB, or what fits into the region beside a segment of log and one for the tombstone. The
  /// smallest regions have no room for an extent beside these.
  var maximumValueLength: Int {
    max(extentThreshold - 1, min(1 << 30, (segmentCount - 2) * segmentSize - extentStart))
  }

  /// How many lanes the region can feed: each occupies a segment.
  func laneCount(maximum: Int) -> Int {
    min(maximum, max(1, segmentCount / 8))
  }
}
