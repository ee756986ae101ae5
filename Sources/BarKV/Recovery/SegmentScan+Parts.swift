/// Reading a segment in parts, on several processors: opening waits for the longest.
extension SegmentScan {
  /// Parts of so many bytes are worth a thread's while.
  static var partBytes: Int { 1 << 20 }

  /// The parts of a range that is read, at most so long.
  static func parts(of range: Range<Int>, bytes: Int = partBytes) -> [Range<Int>] {
    assert(bytes % lineSize == 0)
    guard range.count > bytes else { return [range] }
    return stride(from: range.lowerBound, to: range.upperBound, by: bytes).map {
      $0..<min($0 + bytes, range.upperBound)
    }
  }

  /// What reading the segment from front to back would have found; `nil` where the parts do not tell.
  ///
  /// Where a part begins in the middle of a record, what it takes for one there may be a value's bytes. So each has to begin,
  /// by what it found, exactly where the one before ended; else somebody has to read all of it.
  ///
  /// - Parameter parts: scans of consecutive parts, the first one from where the whole begins.
  static func joined(_ parts: [SegmentScan], segmentSize: Int) -> SegmentScan? {
    guard var whole = parts.first else { return nil }
    whole.entryParts.reserveCapacity(parts.count)
    for part in parts.dropFirst() {
      if !whole.append(part) { return nil }
    }
    // None of them has passed over anything that all together would have looked at.
    guard whole.doubtedBytes <= RecordSearch.doubtLimit(segmentSize: segmentSize) else { return nil }
    return whole
  }

  /// Goes on with what the next part found, as if this one had read on; whether that can be said.
  private mutating func append(_ next: SegmentScan) -> Bool {
    // Nothing counts behind the seal.
    if sealOffset != nil { return true }
    doubtedBytes += next.doubtedBytes
    hidden += next.hidden.filter { $0 >= max(tail, next.firstRecord ?? tail) }
    guard let first = next.firstRecord else { return true }
    guard first == tail && next.firstSequence >= highestSequence || Mutant.joinsPartsAnyhow.isActive else {
      return false
    }
    count(next)
    entryParts += next.entryParts
    extentRecords += next.extentRecords
    fragments += next.fragments
    reservations += next.reservations
    // What it looked through up to its first record is in this part's last one.
    gaps += next.gaps.filter { $0.lowerBound >= first }
    if next.lastSettled >= 0 { lastSettled = next.lastSettled }
    highestSequence = max(highestSequence, next.highestSequence)
    sealOffset = next.sealOffset
    tail = next.tail
    hasBytesAtTail = next.hasBytesAtTail
    recordCount += next.recordCount
    return true
  }

  /// Counts the next part's records that belong to a batch whose header is here.
  private mutating func count(_ next: SegmentScan) {
    guard let last = fragments.indices.last else { return }
    let content = fragments[last].content
    let end = next.fragments.first?.offset ?? .max
    for entry in next.entryParts.joined() {
      let sequence = entry.sequence(base: header.baseSequence)
      guard next.offset(of: entry) < end else { return }
      if content.covers(sequence) {
        fragments[last].found += 1
      } else if sequence >= content.firstSequence {
        // They rise.
        return
      }
    }
  }
}
