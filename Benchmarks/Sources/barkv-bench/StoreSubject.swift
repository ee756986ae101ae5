import BarKV
import BenchSupport
import CRawLoops
import Glibc

/// The library as a subject: the same keys, values and orders as the C loops have.
struct StoreSubject: Sendable {
  private let store: Store
  private let valueBytes: Int

  /// Creates a store in which every entry can be written `writes` times and deleted.
  ///
  /// Its file loses its name at once, so that nothing stays behind however the process ends.
  init(_ configuration: Configuration, writes: Int) throws {
    let path = "\(configuration.directory)/barkv-bench.\(getpid())"
    // The pages are mapped before the clock starts, as those of `raw` are.
    var options = StoreOptions()
    options.mapsWholeRegion = true
    store = try Store.create(
      at: StoreAddress(path: path), size: configuration.storeBytes(writes: writes), options: options, replacing: true)
    unsafe unlink(path)
    guard store.persistence.domain == .cacheFlush else { throw BenchError.wrongDomain(store.persistence.reason) }
    valueBytes = configuration.valueBytes
  }

  /// The store's domain and level, and why, in words.
  var persistence: String {
    let persistence = store.persistence
    return "domain \(persistence.domain.rawValue), level \(persistence.level.rawValue): \(persistence.reason)"
  }

  /// Ends the use of the store.
  func close() throws {
    try store.close()
  }

  /// Puts the entries of a range, each durable when its put returns.
  func put(_ range: Range<Int>) throws {
    var value = valueWords(bytes: valueBytes)
    for number in range {
      value[0] = UInt64(number)
      let key = key(of: value[0])
      unsafe try store.put(value.span.bytes.extracting(first: valueBytes), for: key.span.bytes)
    }
  }

  /// Overwrites the entries of a share of `order`, each durable when its put returns.
  func overwrite(_ order: [UInt32], _ range: Range<Int>) throws {
    var value = valueWords(bytes: valueBytes)
    for index in range {
      value[0] = UInt64(order[index])
      let key = key(of: value[0])
      unsafe try store.put(value.span.bytes.extracting(first: valueBytes), for: key.span.bytes)
    }
  }

  /// Deletes the entries of a share of `order`; how many were present.
  func delete(_ order: [UInt32], _ range: Range<Int>) throws -> Int {
    var found = 0
    for index in range {
      let key = key(of: UInt64(order[index]))
      if unsafe try store.delete(key.span.bytes) { found += 1 }
    }
    return found
  }

  /// Puts the entries of a range in atomic batches of `group`.
  func putInBatches(_ range: Range<Int>, of group: Int) throws {
    var value = valueWords(bytes: valueBytes)
    var batch = Batch()
    for number in range {
      value[0] = UInt64(number)
      let key = key(of: value[0])
      unsafe batch.put(value.span.bytes.extracting(first: valueBytes), for: key.span.bytes)
      if batch.count == group {
        try store.write(batch)
        batch.removeAll(keepingCapacity: true)
      }
    }
    try store.write(batch)
  }

  /// Puts the entries of a range deferred, with a barrier after every `group`.
  func putDeferred(_ range: Range<Int>, group: Int) throws {
    var value = valueWords(bytes: valueBytes)
    var waiting = 0
    for number in range {
      value[0] = UInt64(number)
      let key = key(of: value[0])
      unsafe try store.put(value.span.bytes.extracting(first: valueBytes), for: key.span.bytes, durability: .deferred)
      waiting += 1
      if waiting == group {
        try store.persist()
        waiting = 0
      }
    }
    try store.persist()
  }

  /// Gets entry `order[i] + offset` for each `i` of a range, its value copied to a buffer; the sum of the numbers found,
  /// and how many were.
  func get(_ order: [UInt32], _ range: Range<Int>, offset: Int) throws -> (sum: UInt64, found: Int) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: valueBytes, alignment: 64)
    defer { unsafe buffer.deallocate() }
    var sum: UInt64 = 0
    var found = 0
    // Looked over once, not at each turn, as the C loop's.
    let share = order[range].span
    for index in share.indices {
      let key = key(of: UInt64(unsafe share[unchecked: index]) &+ UInt64(offset))
      let number = unsafe try store.withValue(of: key.span.bytes) { value in
        unsafe value.withUnsafeBytes { unsafe copy($0, to: buffer) }
        return unsafe buffer.load(as: UInt64.self)
      }
      if let number {
        sum &+= number
        found &+= 1
      }
    }
    return (sum, found)
  }

  /// Gets all entries of `order`, in calls of `group`, each value copied to a buffer; the sum of the numbers found.
  func getMany(_ order: [UInt32], group: Int) throws -> UInt64 {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: valueBytes, alignment: 64)
    defer { unsafe buffer.deallocate() }
    let keys = UnsafeMutableRawBufferPointer.allocate(byteCount: group * Configuration.keyBytes, alignment: 64)
    defer { unsafe keys.deallocate() }
    let bytes = unsafe keys.baseAddress.unsafelyUnwrapped
    var sum: UInt64 = 0
    let share = order.span
    var first = 0
    while first < share.count {
      let count = min(group, share.count - first)
      for item in 0..<count {
        let number = unsafe UInt64(share[unchecked: first &+ item])
        unsafe bytes.storeBytes(
          of: key(of: number), toByteOffset: item &* Configuration.keyBytes, as: InlineArray<2, UInt64>.self)
      }
      let span = unsafe UnsafeRawBufferPointer(start: bytes, count: count &* Configuration.keyBytes).bytes
      try store.withValues(ofKeys: span, length: Configuration.keyBytes) { _, value in
        guard let value else { return }
        unsafe value.withUnsafeBytes { unsafe copy($0, to: buffer) }
        unsafe sum &+= buffer.load(as: UInt64.self)
      }
      first += count
    }
    return sum
  }

  /// Copies a value, of which all have the same length, out as the C loop does: that length is known before the value is
  /// there, and with it where the copy stores. A copy of as many bytes as the value turns out to have keeps the processor
  /// from the next get's loads until then.
  @inline(__always)
  private func copy(_ value: UnsafeRawBufferPointer, to buffer: UnsafeMutableRawBufferPointer) {
    precondition(value.count >= valueBytes, "a value that was not put")
    unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(start: value.baseAddress, count: valueBytes))
  }
}
