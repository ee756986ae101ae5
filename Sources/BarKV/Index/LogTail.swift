import Synchronization

/// The log's records since the last checkpoint, as recovery found them: what the runs do not know yet.
///
/// Opening only deals them to their partitions. What each of them replaced is looked up when its partition is first touched,
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

  /// Where each partition's items begin, and the end of the last.
  private let starts: [UInt32]
  /// By partition, in no order within one.
  private let items: [Item]
  private let resolved = Locked<[Int: [RunEntry]]>([:])
  /// Partitions whose items are not resolved.
  private let unresolved: Atomic<Int>

  /// - Parameter entries: those of each segment.
  init(_ entries: [ArraySlice<SegmentScan.Entry>], index: Index) {
    var starts = [UInt32](repeating: 0, count: index.partitionCount + 1)
    for part in entries {
      for entry in part { starts[index.place(entry.hash).partition + 1] += 1 }
    }
    unresolved = Atomic(starts.count(where: { $0 > 0 }))
    for partition in 0..<index.partitionCount { starts[partition + 1] += starts[partition] }
    var next = starts
    var items = [Item](repeating: Item(fragment: 0, line: 0, sequence: 0), count: Int(starts.last ?? 0))
    for part in entries {
      for entry in part {
        let place = index.place(entry.hash)
        items[Int(next[place.partition])] = Item(
          fragment: place.fragment, line: entry.offset / lineSize, sequence: entry.sequence)
        next[place.partition] += 1
      }
    }
    self.starts = starts
    self.items = items
  }

  var count: Int { items.count }
  var isEmpty: Bool { items.isEmpty }
  var isResolved: Bool { unresolved.load(ordering: .acquiring) == 0 }

  /// The partitions that have items.
  var partitions: [Int] { (0..<starts.count - 1).filter { starts[$0] < starts[$0 + 1] } }

  /// What a partition needs from the tail: changes, or items to resolve. The caller holds the partition.
  func content(of partition: Int) -> (changes: [RunEntry], items: [Item]) {
    if let changes = resolved.withLock({ $0[partition] }) { return (changes, []) }
    let range = Int(starts[partition])..<Int(starts[partition + 1])
    return ([], items[range].sorted { $0.sequence < $1.sequence })
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
