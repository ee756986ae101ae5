/// Keys that are looked up together, so that the waits for their memory overlap.
///
/// A get waits for two lines of memory, one of the index and one of the log, and the second is known only once the first is
/// here. Key by key the processor has few of them under way; here all lines of the index are asked for before the first is
/// looked at, then all records:
///
/// 1. ``Store/seek(_:at:in:)`` hashes each key and loads its line of the index,
/// 2. ``Store/seekRecords(_:in:)`` takes the slots and loads the records that they name,
/// 3. ``Store/find(_:at:in:)`` compares each key with its record, and finds the value.
///
/// All three, and the use of the values, are one read: what a slot named stays as it is, whoever writes meanwhile.
@unsafe
@usableFromInline
struct ReadWindow {
  /// So many keys: a processor waits for some two dozen lines at a time.
  @inlinable static var capacity: Int { 16 }

  /// What stands for the length of a value while its key is looked for behind its home bucket.
  fileprivate static var goesOn: Int { -1 }

  /// What is known of one key.
  @unsafe
  @usableFromInline
  struct Item {
    /// The key's hash; from the second step on the slot that has it, as it seems.
    var word: UInt64 = 0
    /// Where the value starts, or `nil` where the key is absent. From the third step on.
    @usableFromInline var start: UnsafeRawPointer? = nil
    /// The value's bytes.
    @usableFromInline var count = 0

    @inline(__always)
    init() {}
  }

  @usableFromInline var items = unsafe InlineArray<16, Item>(repeating: Item())
  /// The line in which the thread has announced the read, where it could do so quickly.
  fileprivate var reader: Epochs.Line? = nil

  @usableFromInline
  @inline(__always)
  init() {}
}

extension Store {
  /// Begins the read of a window.
  @unsafe
  @usableFromInline
  func beginReads(_ window: inout ReadWindow) throws(StoreError) {
    unsafe window.reader = epochs.enterQuickly()
    if unsafe window.reader != nil { return }
    epochs.enter()
    do throws(StoreError) {
      try lifecycle.check()
    } catch {
      epochs.leave()
      throw error
    }
  }

  /// Begins the search for a key.
  @unsafe
  @usableFromInline
  func seek(_ key: RawSpan, at item: Int, in window: inout ReadWindow) throws(StoreError) {
    try limits.checkKey(key.byteCount)
    unsafe key.withUnsafeBytes { key in unsafe seek(key, &window.items[item]) }
  }

  @unsafe
  @inline(__always)
  private func seek(_ key: UnsafeRawBufferPointer, _ item: inout ReadWindow.Item) {
    let hash = unsafe log.hash(key)
    index.prefetch(index.place(hash))
    unsafe item.word = hash
    unsafe item.count = 0
  }

  /// Goes on with the first `count` keys, whose lines of the index are here or on their way.
  @unsafe
  @usableFromInline
  func seekRecords(_ count: Int, in window: inout ReadWindow) {
    var further = 0
    for item in 0..<count {
      let place = unsafe index.place(window.items[item].word)
      let slot = index.findAtHome(place)
      if slot != .vacated {
        unsafe window.items[item].word = slot.bits
        if slot.isOccupied { log.prefetchRecord(line: slot.line) }
      } else {
        index.prefetchNext(place)
        unsafe window.items[item].count = ReadWindow.goesOn
        further &+= 1
      }
    }
    if further > 0 { unsafe seekFurther(count, in: &window) }
  }

  /// The same for those whose home bucket is full and does not have them: a few in a hundred, and so one or two of most
  /// windows.
  @unsafe
  @inline(never)
  private func seekFurther(_ count: Int, in window: inout ReadWindow) {
    for item in 0..<count where unsafe window.items[item].count == ReadWindow.goesOn {
      let slot = unsafe index.findAnywhere(index.place(window.items[item].word))
      unsafe window.items[item].word = slot.bits
      unsafe window.items[item].count = 0
      if slot.isOccupied { log.prefetchRecord(line: slot.line) }
    }
  }

  /// Finds the value of a key.
  ///
  /// - Throws: ``StoreError/damagedRecord(offset:)`` and what else a single get throws. The read goes on.
  @unsafe
  @usableFromInline
  func find(_ key: RawSpan, at item: Int, in window: inout ReadWindow) throws(StoreError) {
    try unsafe key.withUnsafeBytes { (key) throws(StoreError) in try unsafe find(key, &window.items[item]) }
  }

  @unsafe
  @inline(__always)
  private func find(_ key: UnsafeRawBufferPointer, _ item: inout ReadWindow.Item) throws(StoreError) {
    let slot = unsafe IndexSlot(bits: item.word)
    if slot.isOccupied, !options.verifiesReads, unsafe log.record(atLine: slot.line, hasKey: key),
      let value = unsafe log.inlineValue(ofRecordAtLine: slot.line, keyLength: key.count)
    {
      unsafe item.start = value.baseAddress
      unsafe item.count = value.count
    } else if slot == .empty, medium.isWhole {
      unsafe item.start = nil
    } else {
      try unsafe findCarefully(key, &item)
    }
  }

  /// The same by a single get, which knows every case: a full bucket, a partition that is not resident, an extent, damage.
  @unsafe
  @inline(never)
  private func findCarefully(
    _ key: UnsafeRawBufferPointer, _ item: inout ReadWindow.Item
  ) throws(StoreError) {
    unsafe item.start = nil
    guard let found = try unsafe lookCarefully(key.bytes) else { return }
    unsafe item.start = found.start
    unsafe item.count = found.count
    // The window's own read goes on, and keeps the value in place.
    epochs.leave()
  }

  /// - Throws: ``StoreError/invalidKeyLength(_:maximum:)`` where `bytes` bytes are no keys of `length` bytes each.
  @usableFromInline
  func checkKeys(_ bytes: Int, length: Int) throws(StoreError) {
    try limits.checkKey(length)
    let rest = bytes % length
    if rest != 0 { throw .invalidKeyLength(rest, maximum: limits.maximumKeyLength) }
  }

  /// Takes `count` keys of `length` bytes, which stand one behind the other, through all three steps.
  @unsafe
  @usableFromInline
  func findAll(
    _ keys: UnsafeRawPointer, length: Int, count: Int, in window: inout ReadWindow
  ) throws(StoreError) {
    // The most common length as a constant: what hashes and compares keys has a way of its own for it.
    if length == 16 {
      try unsafe findEach(keys, length: 16, count: count, in: &window)
    } else {
      try unsafe findEach(keys, length: length, count: count, in: &window)
    }
  }

  @unsafe
  @inline(__always)
  private func findEach(
    _ keys: UnsafeRawPointer, length: Int, count: Int, in window: inout ReadWindow
  ) throws(StoreError) {
    for item in 0..<count {
      unsafe seek(UnsafeRawBufferPointer(start: keys + item &* length, count: length), &window.items[item])
    }
    unsafe seekRecords(count, in: &window)
    for item in 0..<count {
      try unsafe find(UnsafeRawBufferPointer(start: keys + item &* length, count: length), &window.items[item])
    }
  }

  /// Ends the read of a window, after its first `count` values were used.
  ///
  /// - Throws: if what was used were not the region's bytes.
  @unsafe
  @usableFromInline
  func endReads(_ count: Int, of window: borrowing ReadWindow) throws(StoreError) {
    defer { unsafe abandonReads(of: window) }
    if medium.isWhole { return }
    for item in 0..<count {
      guard let start = unsafe window.items[item].start else { continue }
      try checkReads(of: unsafe medium.offsets(start, window.items[item].count))
    }
  }

  /// Ends the read of a window of whose values nothing comes.
  @unsafe
  @usableFromInline
  func abandonReads(of window: borrowing ReadWindow) {
    if let reader = unsafe window.reader { unsafe Epochs.leave(reader) } else { epochs.leave() }
  }
}
