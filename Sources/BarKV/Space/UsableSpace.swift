/// An estimate of how much may live in a store before it is full, if what is added is like what is there.
///
/// The segments are shared by what lives, the index's runs, and what puts leave free. All three grow with the keys; so the
/// most keys for which they still fit are searched for.
struct UsableSpace {
  private let geometry: Geometry
  /// The lines of a key's record, and of its extent, on the average of what lives.
  private let recordLines: Double
  private let extentLines: Double
  /// The share of an extent segment that what lives in it can use.
  private let extentShare: Double
  private let lanes: Int
  private let liveLines: Int
  private let keys: Int

  /// The share of what fits up to which overwriting is cheap: the last sixteenth would cost compaction as much as all before.
  static func comfort(_ geometry: Geometry) -> Double { geometry.rewritesIndex ? 1 : 0.94 }

  /// The lines of a key where there is none yet.
  private static var presumedLines: Double { 2 }

  init(_ log: Log) {
    geometry = log.geometry
    lanes = log.allLanes.count
    keys = max(log.keyCount, 0)
    liveLines = max(log.liveLines, 0)
    var inExtents = 0
    var extentUse = (used: 0, all: 0)
    let start = geometry.extentStart / lineSize
    let segmentLines = geometry.segmentSize / lineSize
    for segment in 0..<geometry.segmentCount where log.segments.kind(segment) == .extents {
      let used = log.segments.used(segment)
      inExtents += max(0, used - start - log.segments.dead(segment))
      let span = (used + segmentLines - 1) / segmentLines
      // One that is hardly begun says nothing about how full they get.
      if 2 * used >= span * segmentLines {
        extentUse = (extentUse.used + used - start, extentUse.all + span * segmentLines)
      }
    }
    extentShare =
      extentUse.all > 0
      ? Double(extentUse.used) / Double(extentUse.all) : Double(segmentLines - start) / Double(segmentLines)
    if keys > 0, liveLines > 0 {
      extentLines = Double(min(inExtents, liveLines)) / Double(keys)
      recordLines = max(1, Double(liveLines) / Double(keys) - extentLines)
    } else {
      recordLines = Self.presumedLines
      extentLines = 0
    }
  }

  /// The bytes that may live.
  var liveBytes: UInt64 {
    var low = 0
    var high = geometry.regionBytes / lineSize
    while high - low > 1 {
      let middle = (low + high) / 2
      if fits(keys: middle) { low = middle } else { high = middle }
    }
    let bytes = Double(low) * (recordLines + extentLines) * Double(lineSize) * Self.comfort(geometry)
    // What lives already does fit.
    return max(UInt64(min(bytes, Double(geometry.regionBytes))), UInt64(liveLines * lineSize))
  }

  private func fits(keys: Int) -> Bool {
    let perSegment = (Double(geometry.recordLinesPerSegment) / recordLines).rounded(.down)
    guard perSegment >= 1, extentShare > 0 else { return false }
    let records = Double(keys) / perSegment
    let extents = Double(keys) * extentLines / (Double(geometry.segmentSize / lineSize) * extentShare)
    let runs = geometry.runSegments(entries: keys)
    return records + extents + Double(runs + reserve(keys: keys)) <= Double(geometry.segmentCount)
  }

  /// What puts leave of the free segments when a store is full: see ``Space``. All lanes' segments are full by then.
  private func reserve(keys: Int) -> Int {
    let whole = geometry.runSegments(entries: keys)
    // One for tombstones, one to copy to; and for what comes and goes.
    let others = 2 + 2 * geometry.churn
    if geometry.rewritesIndex { return whole + others }
    let bytes = geometry.mostRunBytes(keys: keys) - geometry.runBytes(entries: keys)
    let changed = geometry.runBytes(entries: 2 * (lanes + 1) * geometry.recordLinesPerSegment)
    let payload = geometry.runPayload
    return (changed + geometry.longestRun + max(0, bytes) + payload - 1) / payload + others
  }
}
