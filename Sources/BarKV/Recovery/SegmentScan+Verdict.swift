/// What a verdict makes of a segment.
extension SegmentScan {
  /// The offsets of the valid records that the decision drops.
  func droppedRecords(_ decided: LogVerdict.Segment) -> [Int] {
    guard decided.cut < tail else { return [] }
    var offsets = entries.map(\.offset).filter { $0 >= decided.cut }
    offsets += fragments.map(\.offset).filter { $0 >= decided.cut }
    offsets += reservations.map(\.offset).filter { $0 >= decided.cut }
    if let sealOffset, sealOffset >= decided.cut { offsets.append(sealOffset) }
    return offsets
  }

  /// How many entries there are in front of an offset.
  func entryCount(before cut: Int) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].offset < cut { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Whether what proves that a gap is damage is dropped: the settled head of a batch that was torn. The gap would be taken
  /// for torn after the next crash, and whatever was appended behind it with it.
  func losesProof(_ decided: LogVerdict.Segment) -> Bool {
    !decided.isSettled && lastSettled >= decided.cut && gaps.contains { $0.lowerBound < decided.cut }
  }

  /// Whether nothing that counts is in the segment.
  func isEmpty(_ decided: LogVerdict.Segment, geometry: Geometry) -> Bool {
    let first = geometry.segmentOffset(header.segment) + Geometry.segmentHeaderBytes
    // What stands before the scan's start counts.
    if start > first { return false }
    return !decided.isSettled && decided.cut <= first
  }
}
