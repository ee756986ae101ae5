import Synchronization

/// The keys that were written a short time ago, as far as a small table tells.
///
/// A key that is written again soon will be written again soon: what it wrote last is dead then. Where live records have to be
/// copied out of what is dead, such records are kept apart from those that last, which then are copied less often. Simulated
/// with zipfian keys (0.99) at 85 % full: 1.05 copies a put instead of 1.25.
///
/// A table of tags, one for each of so many classes of keys: that of the key written last. Other keys of the class push it out;
/// so the time that counts as short is as long as it takes to write as many keys as there are tags. A wrong answer costs a
/// copy at most. Any thread may ask, without a lock or a locked instruction.
@safe
struct RecentKeys: @unchecked Sendable {
  private static var count: Int { 1 << 16 }
  private let tags: UnsafeMutablePointer<Atomic<UInt8>>

  init() {
    // No memory is used before the first key is noted.
    unsafe tags = allocateZeroed(bytes: Self.count).bindMemory(to: Atomic<UInt8>.self, capacity: Self.count)
  }

  /// Frees the memory; no use may follow.
  func deallocate() {
    unsafe freeZeroed(tags, bytes: Self.count)
  }

  /// Notes that a key is written; whether it was a short time ago as well.
  func note(_ place: Index.Place) -> Bool {
    let identity = (UInt64(truncatingIfNeeded: place.partition) << 32 ^ place.fragment) &* 0x9E37_79B9_7F4A_7C15
    let tag = UInt8(truncatingIfNeeded: identity >> 40) | 1
    let word = unsafe tags + Int(truncatingIfNeeded: identity >> 48)
    let isRecent = unsafe word.pointee.load(ordering: .relaxed) == tag
    unsafe word.pointee.store(tag, ordering: .relaxed)
    return isRecent
  }
}
