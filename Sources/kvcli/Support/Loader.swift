import BarKV

/// Stores entries in groups, each group atomic and durable before the next one starts.
struct Loader {
  /// Where the entries go.
  private let store: Store
  /// How many entries make a group, or `nil` where the loader may choose.
  private let groupSize: Int?
  /// Where the number of durable entries is written after each group.
  private let acknowledgements: ByteWriter?
  /// The store's limits.
  private let limits: StoreLimits

  /// The keys and values of the group being gathered, one after the other.
  private var bytes: [UInt8] = []
  /// Where each key and each value of the group ends in `bytes`.
  private var borders: [(key: Int, value: Int)] = []

  /// The number of entries taken, the group being gathered included.
  private(set) var lineCount = 0
  /// The number of entries that are durable.
  private(set) var storedCount = 0
  /// The number of groups that are durable.
  private(set) var groupCount = 0
  /// The bytes of the keys and values taken.
  private(set) var byteCount = 0

  /// The most entries of a group that the loader chooses.
  private static let chosenCount = 1000
  /// The bytes from which on such a group is complete.
  private static let chosenBytes = 1 << 20

  /// Why a group was not stored, and which lines it had.
  struct GroupError: Error {
    let status: ExitStatus
    let lines: String
    let reason: String
  }

  /// A loader into `store`.
  init(store: Store, groupSize: Int?, acknowledges: Bool) {
    self.store = store
    self.groupSize = groupSize
    acknowledgements = acknowledges ? .standardOutput() : nil
    limits = store.limits
  }

  /// The length of a line from which on it cannot be an entry of this store: the longest way to write a byte takes six
  /// characters.
  var lineLimit: Int {
    6 * (limits.maximumKeyLength + limits.maximumValueLength) + 1024
  }

  /// Adds an entry to the group, and stores the group when it is complete.
  mutating func add(_ entry: Entry) throws {
    guard (1...limits.maximumKeyLength).contains(entry.key.count) else {
      throw LineError("a key has 1 to \(limits.maximumKeyLength) bytes, not \(entry.key.count)")
    }
    guard entry.value.count <= limits.maximumValueLength else {
      throw LineError("a value has at most \(limits.maximumValueLength) bytes in this store, not \(entry.value.count)")
    }
    bytes.append(contentsOf: entry.key)
    let keyEnd = bytes.count
    bytes.append(contentsOf: entry.value)
    borders.append((keyEnd, bytes.count))
    lineCount += 1
    byteCount += entry.key.count + entry.value.count
    let isComplete =
      groupSize.map { borders.count >= $0 } ?? (borders.count >= Self.chosenCount || bytes.count >= Self.chosenBytes)
    if isComplete { try finish() }
  }

  /// Stores the group as it is.
  mutating func finish() throws {
    guard !borders.isEmpty else { return }
    defer {
      bytes.removeAll(keepingCapacity: true)
      borders.removeAll(keepingCapacity: true)
    }
    do {
      try storeGroup(0..<borders.count)
    } catch StoreError.batchTooLarge where groupSize == nil && borders.count > 1 {
      try storeSingly()
    } catch StoreError.full where groupSize == nil && borders.count > 1 {
      try storeSingly()
    } catch let error as StoreError {
      throw failure(error, 0..<borders.count)
    }
  }

  /// Stores each entry of the group by itself: for a small store, and to use the last of a full one.
  private mutating func storeSingly() throws {
    for index in borders.indices {
      do {
        try storeGroup(index..<index + 1)
      } catch let error as StoreError {
        throw failure(error, index..<borders.count)
      }
    }
  }

  /// Stores some entries of the group under one barrier, and acknowledges them.
  private mutating func storeGroup(_ indices: Range<Int>) throws {
    if indices.count == 1, let index = indices.first {
      try store.put(value(index), for: key(index))
    } else {
      var batch = Batch()
      for index in indices { batch.put(value(index), for: key(index)) }
      try store.write(batch)
    }
    storedCount += indices.count
    groupCount += 1
    if let acknowledgements {
      try acknowledgements.write("\(storedCount)\n")
      try acknowledgements.flush()
    }
  }

  /// The key of an entry of the group.
  private func key(_ index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : borders[index - 1].value)..<borders[index].key]
  }

  /// The value of an entry of the group.
  private func value(_ index: Int) -> ArraySlice<UInt8> {
    bytes[borders[index].key..<borders[index].value]
  }

  /// The error for some entries of the group.
  private func failure(_ error: StoreError, _ indices: Range<Int>) -> GroupError {
    let first = lineCount - borders.count + indices.lowerBound + 1
    let last = lineCount - borders.count + indices.upperBound
    return GroupError(
      status: error.exitStatus, lines: first == last ? "line \(first)" : "lines \(first) to \(last)",
      reason: error.description)
  }

  /// Says what is in the store after an error: all lines before it, or those of the groups before.
  func stored(inAll: Bool) -> String {
    guard storedCount > 0 else { return "nothing was stored" }
    let lines = Figures.counted(storedCount, "line")
    return inAll ? "the \(lines) before it \(storedCount == 1 ? "is" : "are") in the store" : "\(lines) stored before."
  }
}
