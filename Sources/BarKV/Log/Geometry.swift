/// How a region is divided: metadata first, then equal segments.
///
/// ```
/// 0             stride        2 stride                        firstSegment
/// | superblock A | superblock B | manifest A | manifest B | … | segment 0 | segment 1 | …
/// ```
///
/// A manifest area is as long as the longest manifest of the region, in whole strides.
struct Geometry: Sendable, Equatable {
  /// The region's size in bytes.
  let regionBytes: Int
  /// The distance of the superblock's copies.
  let metadataStride: Int
  /// The distance of the manifest's areas.
  let manifestStride: Int
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
  /// The index's runs have 39 bits for a line.
  static let maximumRegionBytes = 1 << 45
  static let minimumSegmentSize = 1 << 10
  static let maximumSegmentSize = 1 << 26
  /// One for records, one for tombstones, one to copy to, two for the index.
  static let minimumSegmentCount = 5

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
    // The manifest has a word for each segment, which leaves less room for segments: as many as there can be at most
    // decide its length.
    let manifest = roundUp(
      Manifest.longest(segmentCount: max(0, regionBytes - 4 * stride) / size), to: stride)
    let first = roundUp(2 * stride + 2 * manifest, to: size)
    let count = max(0, regionBytes - first) / size
    guard count >= Self.minimumSegmentCount else {
      throw .invalidSize(
        bytes: regionBytes, reason: "it has no room for \(Self.minimumSegmentCount) segments of \(size) bytes")
    }
    self.regionBytes = regionBytes
    self.metadataStride = stride
    self.manifestStride = manifest
    self.segmentSize = size
    self.firstSegment = first
    self.segmentCount = count
    self.extentAlignment = size >= Self.pagedRegionBytes ? Self.pageSize : lineSize
    self.extentThreshold = min(Self.pageSize, size / 4)
  }

  /// The distance of the superblock's copies in a region of this size. It depends on the size alone, so that the second
  /// superblock is found when the first is unreadable.
  static func metadataStride(regionBytes: Int) -> Int {
    regionBytes >= pagedRegionBytes ? pageSize : 512
  }

  /// A 512th of the region, from 128 KiB, which holds the longest key, to 64 MiB; a larger share in regions below 1 MiB: few
  /// headers for an opening to read, many victims for the compactor to choose from. That a segment is large costs an opening
  /// nothing: ``Frontier`` bounds what it reads of one that was open.
  private static func defaultSegmentSize(regionBytes: Int) -> Int {
    if regionBytes >= 1 << 20 {
      return min(max(powerOfTwo(notAbove: regionBytes / 512), 128 << 10), maximumSegmentSize)
    }
    return min(max(powerOfTwo(notAbove: regionBytes / 64), minimumSegmentSize), 64 << 10)
  }

  private static func powerOfTwo(notAbove value: Int) -> Int {
    value <= 0 ? 0 : 1 << (Int.bitWidth - 1 - value.leadingZeroBitCount)
  }

  // MARK: Offsets

  func superblockOffset(_ copy: Int) -> Int { copy * metadataStride }
  func manifestOffset(_ area: Int) -> Int { 2 * metadataStride + area * manifestStride }
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

  /// The longest value: 1 GiB, or what fits into the region beside a segment of log and what is kept in reserve. The
  /// smallest regions have no room for an extent beside these.
  var maximumValueLength: Int {
    max(extentThreshold - 1, min(1 << 30, (segmentCount - 1 - leastReserve) * segmentSize - extentStart))
  }

  // MARK: Reserve

  /// Whether the index is written anew where space is short: of few segments, what is left over in some is too much.
  var rewritesIndex: Bool { segmentCount < 128 }

  /// The most bytes that the runs of so many keys take up, where they are merged in parts: delta runs of half as many entries
  /// as the base has, and what is written before that which it replaces is gone.
  func mostRunBytes(keys: Int) -> Int {
    let whole = runBytes(entries: keys)
    return whole + whole / 4 * 3
  }

  /// The segments that come and go while runs are merged and segments wait for readers, where there are many: without them
  /// compaction would stand still meanwhile.
  var churn: Int { rewritesIndex ? 0 : max(2, segmentCount / 128) }

  /// The bytes of a segment that whole runs of the greatest length can use.
  var runPayload: Int { max(1, (segmentSize - extentStart) / roundUp(longestRun, to: extentAlignment)) * longestRun }

  /// The bytes that so many entries take in runs.
  func runBytes(entries: Int) -> Int {
    let blocks = (entries + RunBlock.narrowCapacity - 1) / RunBlock.narrowCapacity
    let runs = (entries + entriesPerRun - 1) / max(1, entriesPerRun)
    return blocks * RunBlock.byteCount + runs * Run.headerBytes
  }

  /// The segments that so many entries take in runs.
  func runSegments(entries: Int) -> Int {
    (runBytes(entries: entries) + runPayload - 1) / runPayload
  }

  /// The most bytes of a run: a quarter of what a segment has for them, so that little is left over at its end.
  var longestRun: Int {
    // Each starts where an extent may.
    let quarter = (segmentSize - extentStart) / 4 / extentAlignment * extentAlignment
    let blocks = quarter - Run.headerBytes
    return Run.headerBytes + max(1, blocks / RunBlock.byteCount) * RunBlock.byteCount
  }

  /// How many entries a run of that size has, in a region that is not larger than many terabytes.
  var entriesPerRun: Int { (longestRun - Run.headerBytes) / RunBlock.byteCount * RunBlock.narrowCapacity }

  /// The free segments that an empty store's puts leave.
  var leastReserve: Int {
    let lines = laneCount(maximum: 16) * recordLinesPerSegment
    return 2 + (rewritesIndex ? 2 * runSegments(entries: lines) : runSegments(entries: 4 * lines + entriesPerRun))
  }

  /// How many lanes the region can feed: each occupies a segment.
  func laneCount(maximum: Int) -> Int {
    min(maximum, max(1, segmentCount / 8))
  }
}
