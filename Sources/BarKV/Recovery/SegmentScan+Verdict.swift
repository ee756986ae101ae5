/// What a verdict makes of a segment.
extension SegmentScan {
  /// The offsets of the valid records that the decision drops.
  func droppedRecords(_ decided: LogVerdict.Segment) -> [Int] {
    guard decided.cut < tail else { return [] }
    var offsets = entryParts.joined().map { offset(of: $0) }.filter { $0 >= decided.cut }
    offsets += fragments.map(\.offset).filter { $0 >= decided.cut }
    offsets += reservations.map(\.offset).filter { $0 >= decided.cut }
    if let sealOffset, sealOffset >= decided.cut { offsets.append(sealOffset) }
    return offsets
  }

  /// How many entries there are.
  var entryCount: Int { entryParts.reduce(0) { $0 + $1.count } }

  /// The entries in front of an offset, by parts.
  func entries(before cut: Int) -> [ArraySlice<Entry>] {
    entryParts.map { $0.prefix(count(of: $0, before: cut)) }
  }

  /// The first entry at an offset or behind it.
  func firstEntry(from cut: Int) -> Entry? {
    for part in entryParts {
      let next = count(of: part, before: cut)
      if next < part.count { return part[next] }
    }
    return nil
  }

  /// How many entries of a part are in front of an offset.
  private func count(of part: [Entry], before cut: Int) -> Int {
    var (low, high) = (0, part.count)
    while low < high {
      let middle = (low + high) / 2
      if offset(of: part[middle]) < cut { low = middle + 1 } else { high = middle }
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
