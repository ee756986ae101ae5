import CBarKV
import Synchronization

/// One partition's hash table: buckets of a cache line, eight slots each, in the order of the hash.
///
/// A key stands in its home bucket or, where that is full, in one after it. Slots are filled from the front, and an empty
/// one ends every search, so most searches touch one line. Any number of buckets will do: a table grows by a third or less,
/// which keeps it fuller than doubling would.
///
/// The value is a pointer and a bucket count in one word, so that a reader gets both with one load.
@safe
struct IndexTable {
  let word: UInt64

  static let slotsPerBucket = 8
  private static let countBits: UInt64 = 22

  @inline(__always)
  init(word: UInt64) {
    self.word = word
  }

  /// A table of `bucketCount` empty buckets, or a few more.
  init(bucketCount wanted: Int, from pool: TablePool) {
    let bytes = pool.size(for: wanted * lineSize)
    let bucketCount = bytes / lineSize
    precondition(bucketCount >= 1 && bucketCount < 1 << Int(Self.countBits), "a partition of that size is not built")
    let memory = unsafe pool.allocate(bytes)
    // Addresses have 48 bits, the lowest 6 of which are zero here.
    let address = UInt64(UInt(bitPattern: memory)) >> 6
    precondition(address >> (64 - Self.countBits) == 0, "an address beyond 48 bits")
    word = address << Self.countBits | UInt64(bucketCount)
  }

  @inline(__always)
  var bucketCount: Int { Int(truncatingIfNeeded: word & ((1 << Self.countBits) - 1)) }

  @inline(__always)
  private var slots: UnsafeMutablePointer<Atomic<UInt64>> {
    // Never nil: `init(bucketCount:)` allocated it.
    unsafe UnsafeMutablePointer(bitPattern: UInt(truncatingIfNeeded: (word >> Self.countBits) << 6)).unsafelyUnwrapped
  }

  /// The memory, to be retired.
  var memory: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(slots) }
  /// The size of the memory.
  var byteCount: Int { bucketCount * lineSize }
  var slotCount: Int { bucketCount * Self.slotsPerBucket }

  @inline(__always)
  func homeBucket(_ fragment: UInt64) -> Int {
    Int(truncatingIfNeeded: (fragment &* UInt64(bucketCount)) >> IndexSlot.fragmentBits)
  }

  @inline(__always)
  func prefetch(_ fragment: UInt64) {
    unsafe barkv_prefetch(UnsafeRawPointer(slots + homeBucket(fragment) * Self.slotsPerBucket))
  }

  /// The slot at a position that a search gave.
  @inline(__always)
  func slot(_ position: Int) -> IndexSlot {
    assert(position >= 0 && position < slotCount)
    return unsafe IndexSlot(bits: slots[position].load(ordering: .acquiring))
  }

  /// Sets a slot; readers see the old or the new one.
  @inline(__always)
  func set(_ position: Int, _ slot: IndexSlot) {
    assert(position >= 0 && position < slotCount)
    unsafe slots[position].store(slot.bits, ordering: .releasing)
  }

  /// What a search comes to.
  enum Search {
    /// The first slot with the fragment whose record matches, as it was when it was matched, and its position.
    case at(position: Int, slot: IndexSlot)
    /// None: nothing ever went past this bucket, whose last slot is empty.
    case endedIn(bucket: Int)
    /// None in all of the table.
    case nowhere
  }

  /// Searches for the slot with this fragment whose record `matches`.
  @inline(__always)
  func find(_ fragment: UInt64, matches: (Int) -> Bool) -> Search {
    let home = homeBucket(fragment)
    var bucket = home
    repeat {
      let first = bucket &* Self.slotsPerBucket
      var candidates = unsafe barkv_bucket_matches(slots + first, fragment)
      while candidates != 0 {
        let position = first &+ candidates.trailingZeroBitCount
        let slot = self.slot(position)
        // Whatever the slot has become since, the record says whose it is.
        if slot.isOccupied, matches(slot.line) { return .at(position: position, slot: slot) }
        candidates &= candidates &- 1
      }
      // Slots are filled from the front: an empty last one says that nothing ever went past this bucket.
      if slot(first &+ (Self.slotsPerBucket &- 1)) == .empty { return .endedIn(bucket: bucket) }
      bucket &+= 1
      if bucket == bucketCount { bucket = 0 }
    } while bucket != home
    return .nowhere
  }

  /// The first slot with this fragment in the home bucket, which is hardly ever another key's; `.empty` where there is none
  /// and none further on, `.vacated` where the search has to go on.
  @inline(__always)
  func findAtHome(_ fragment: UInt64) -> IndexSlot {
    let first = homeBucket(fragment) &* Self.slotsPerBucket
    let candidates = unsafe barkv_bucket_matches(slots + first, fragment)
    if candidates != 0 { return slot(first &+ candidates.trailingZeroBitCount) }
    return slot(first &+ (Self.slotsPerBucket &- 1)) == .empty ? .empty : .vacated
  }

  /// Loads the bucket behind the home bucket.
  @inline(__always)
  func prefetchNext(_ fragment: UInt64) {
    // Behind the last bucket nothing is touched: a prefetch of what is not there does nothing.
    unsafe barkv_prefetch(UnsafeRawPointer(slots + (homeBucket(fragment) &+ 1) &* Self.slotsPerBucket))
  }

  /// The first slot with this fragment in all buckets of its search; `.empty` where there is none, `.vacated` where no bucket
  /// ends the search.
  func findAnywhere(_ fragment: UInt64) -> IndexSlot {
    let home = homeBucket(fragment)
    var bucket = home
    repeat {
      let first = bucket &* Self.slotsPerBucket
      let candidates = unsafe barkv_bucket_matches(slots + first, fragment)
      if candidates != 0 { return slot(first &+ candidates.trailingZeroBitCount) }
      if slot(first &+ (Self.slotsPerBucket &- 1)) == .empty { return .empty }
      bucket &+= 1
      if bucket == bucketCount { bucket = 0 }
    } while bucket != home
    return .vacated
  }

  /// The position at which a key with this fragment may be added: the first free one of its search. The table has one.
  @inline(__always)
  func freePosition(_ fragment: UInt64) -> Int {
    var bucket = homeBucket(fragment)
    for _ in 0..<bucketCount {
      let first = bucket &* Self.slotsPerBucket
      let free = unsafe barkv_bucket_free(slots + first)
      if free != 0 { return first &+ free.trailingZeroBitCount }
      bucket += 1
      if bucket == bucketCount { bucket = 0 }
    }
    preconditionFailure("a table without a free slot")
  }

  /// The first free position in a bucket that has one.
  @inline(__always)
  func freePosition(inBucket bucket: Int) -> Int {
    let first = bucket &* Self.slotsPerBucket
    return unsafe first &+ barkv_bucket_free(slots + first).trailingZeroBitCount
  }

  /// Takes over the occupied slots of another table, while nobody else knows this one.
  ///
  /// Both are in the order of the hash, so the buckets fill from the first to the last, and how full each is need not be
  /// looked up in it.
  func fill(from other: IndexTable) {
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: bucketCount) { used in
      unsafe used.initialize(repeating: 0)
      for position in 0..<other.slotCount {
        let slot = other.slot(position)
        guard slot.isOccupied else { continue }
        var bucket = homeBucket(slot.fragment)
        while unsafe used[bucket] == UInt8(Self.slotsPerBucket) {
          bucket += 1
          if bucket == bucketCount { bucket = 0 }
        }
        unsafe slots[bucket &* Self.slotsPerBucket &+ Int(used[bucket])].store(slot.bits, ordering: .relaxed)
        unsafe used[bucket] &+= 1
      }
    }
  }

  /// Whether the slot at `position` may become empty again: only while its bucket was never full, so that no search has
  /// gone past it, and only from the back, so that a bucket stays filled from the front.
  func mayEmpty(_ position: Int) -> Bool {
    position % Self.slotsPerBucket != Self.slotsPerBucket - 1 && slot(position + 1) == .empty
  }

  /// Whether so many used slots make searches long: beyond 13 of 16 a bucket that overflows is common.
  @inline(__always)
  func isCrowded(usedSlots: Int) -> Bool {
    usedSlots &* 16 > slotCount &* 13
  }

  /// A table for a partition that grows: `count` keys fill it to three fifths to seven tenths, and a sixth to a third more
  /// make it crowded.
  ///
  /// How much room there is, is the partition's own. Partitions have about as many keys as each other: with one share for all
  /// they would outgrow their tables at the same time, and all of them be emptiest at the same time, so that the share would
  /// have to be small, and each key be copied more often.
  init(roomFor count: Int, of partition: Int, from pool: TablePool) {
    // Fibonacci hashing: neighbours differ.
    let own = (UInt64(truncatingIfNeeded: partition) &* 0x9E37_79B9_7F4A_7C15) &>> 58
    let slots = count * (368 + Int(own)) / 256
    self.init(bucketCount: slots / Self.slotsPerBucket + 1, from: pool)
  }

  /// A table that `count` keys fill to three quarters: that is little memory, for a partition that may never grow again.
  init(holding count: Int, from pool: TablePool) {
    self.init(bucketCount: count * 4 / (3 * Self.slotsPerBucket) + 1, from: pool)
  }

  /// Adds a slot to a table that nobody else knows and that has room.
  func add(_ slot: IndexSlot) {
    set(freePosition(slot.fragment), slot)
  }

  /// Takes a slot out of a table that nobody else knows; whether it was the last of its bucket.
  func vacate(_ position: Int) -> Bool {
    let empties = mayEmpty(position)
    set(position, empties ? .empty : .vacated)
    return empties
  }
}
