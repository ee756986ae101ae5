import Synchronization

/// The log's records since the last checkpoint, as recovery found them: what the runs do not know yet.
///
/// Opening only links those of a partition. What each of them replaced is looked up when its partition is first touched,
/// by ``IndexLoader``; that is what takes time, and no opening waits for it. Once it is known it is kept here as changes,
/// until a run has them.
@safe
final class LogTail: Sendable {
  /// A record of a key.
  struct Item: Sendable {
    var fragment: UInt64
    var line: Int
    var sequence: UInt64
  }

  /// The records of a segment.
  struct Part: Sendable {
    var records: ArraySlice<SegmentScan.Entry>
    /// The segment's first line in the region, and what its sequence numbers are counted from.
    var firstLine: Int
    var baseSequence: UInt64
  }

  /// What stands for no record.
  private static var none: UInt32 { .max }

  /// The records, by segment; those of all segments are numbered on.
  private let parts: [Part]
  /// The number of each segment's first record.
  private let firstNumbers: [Int]
  /// The number of each partition's last record.
  private let last: [UInt32]
  /// The number of the one before it in the same partition, for each record.
  private let previous: [UInt32]
  private let resolved = Locked<[Int: [RunEntry]]>([:])
  /// Partitions whose items are not resolved.
  private let unresolved: Atomic<Int>

  /// - Complexity: opening waits for it: a few instructions a record, and 4 bytes.
  init(_ parts: [Part], index: Index) {
    assert(SegmentScan.Entry.hashBits >= Index.mostPartitionBits + IndexSlot.fragmentBits)
    self.parts = parts
    var last = [UInt32](repeating: Self.none, count: index.partitionCount)
    var previous: [UInt32] = []
    previous.reserveCapacity(parts.reduce(0) { $0 + $1.records.count })
    var firstNumbers: [Int] = []
    var partitionCount = 0
    for part in parts {
      firstNumbers.append(previous.count)
      for record in part.records {
        let partition = index.place(record.hash).partition
        if last[partition] == Self.none { partitionCount += 1 }
        previous.append(last[partition])
        last[partition] = UInt32(previous.count - 1)
      }
    }
    self.firstNumbers = firstNumbers
    self.last = last
    self.previous = previous
    unresolved = Atomic(partitionCount)
  }

  var count: Int { previous.count }
  var isEmpty: Bool { previous.isEmpty }
  var isResolved: Bool { unresolved.load(ordering: .acquiring) == 0 }

  /// The partitions that have items.
  var partitions: [Int] { last.indices.filter { last[$0] != Self.none } }

  /// What a partition needs from the tail: changes, or items to resolve, the oldest first. The caller holds the partition.
  func content(of partition: Int, index: Index) -> (changes: [RunEntry], items: [Item]) {
    if let changes = resolved.withLock({ $0[partition] }) { return (changes, []) }
    var items: [Item] = []
    var number = last[partition]
    while number != Self.none {
      items.append(item(Int(number), index: index))
      number = previous[Int(number)]
    }
    return ([], items.sorted { $0.sequence < $1.sequence })
  }

  private func item(_ number: Int, index: Index) -> Item {
    var (low, high) = (0, firstNumbers.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if firstNumbers[middle] <= number { low = middle } else { high = middle }
    }
    let part = parts[low]
    let record = part.records[part.records.startIndex + number - firstNumbers[low]]
    return Item(
      fragment: index.place(record.hash).fragment, line: part.firstLine + record.line,
      sequence: record.sequence(base: part.baseSequence))
  }

  /// Keeps what a partition's items came to. The caller holds the partition.
  func resolve(_ partition: Int, _ changes: [RunEntry]) {
    resolved.withLock { $0[partition] = changes }
    unresolved.wrappingSubtract(1, ordering: .releasing)
  }

  /// All changes, for the run that takes them over. Everything is resolved.
  func takeChanges() -> [RunEntry] {
    assert(isResolved)
    return resolved.withLock { $0.values.flatMap { $0 } }
  }
}
