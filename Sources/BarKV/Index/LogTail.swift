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

  /// What stands for no record.
  private static var none: UInt32 { .max }

  /// The records, by segment; those of all segments are numbered on.
  private let records: [ArraySlice<SegmentScan.Entry>]
  /// The number of each segment's first record.
  private let firstNumbers: [Int]
  /// The number of each partition's last record.
  private let last: [UInt32]
  /// The number of the one before it in the same partition, for each record.
  private let previous: [UInt32]
  private let resolved = Locked<[Int: [RunEntry]]>([:])
  /// Partitions whose items are not resolved.
  private let unresolved: Atomic<Int>

  /// - Parameter records: those of each segment.
  /// - Complexity: opening waits for it: a few instructions a record, and 4 bytes.
  init(_ records: [ArraySlice<SegmentScan.Entry>], index: Index) {
    self.records = records
    var last = [UInt32](repeating: Self.none, count: index.partitionCount)
    var previous: [UInt32] = []
    previous.reserveCapacity(records.reduce(0) { $0 + $1.count })
    var firstNumbers: [Int] = []
    var partitionCount = 0
    for part in records {
      firstNumbers.append(previous.count)
      for record in part {
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
      let record = record(Int(number))
      items.append(
        Item(
          fragment: index.place(record.hash).fragment, line: record.offset / lineSize, sequence: record.sequence))
      number = previous[Int(number)]
    }
    return ([], items.sorted { $0.sequence < $1.sequence })
  }

  private func record(_ number: Int) -> SegmentScan.Entry {
    var (low, high) = (0, firstNumbers.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if firstNumbers[middle] <= number { low = middle } else { high = middle }
    }
    return records[low][records[low].startIndex + number - firstNumbers[low]]
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
