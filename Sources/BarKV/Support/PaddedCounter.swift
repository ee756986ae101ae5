import Synchronization

/// A number in memory of its own, for what all writers change. Orders nothing.
///
/// Whoever changes a word takes its line away from all other processors, and what shares the line with it: a counter among
/// an object's fields makes each look at these fields a miss in every thread. That bounded the puts of sixteen threads to
/// those of one. Two lines, since processors fetch lines in pairs.
@safe
struct PaddedCounter: @unchecked Sendable {
  // Safe to share: it is an address that never changes, of an atomic number.

  private let word: UnsafeMutablePointer<Atomic<Int>>

  init(_ value: Int) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: cachePairSize, alignment: cachePairSize)
    unsafe word = memory.bindMemory(to: Atomic<Int>.self, capacity: 1)
    unsafe word.initialize(to: Atomic(value))
  }

  /// Frees the memory; no use may follow.
  func deallocate() {
    unsafe word.deallocate()
  }

  @inline(__always)
  var value: Int { unsafe word.pointee.load(ordering: .relaxed) }

  @inline(__always)
  func set(_ value: Int) {
    unsafe word.pointee.store(value, ordering: .relaxed)
  }

  /// Adds `amount`, modulo 2^64; the new value.
  @inline(__always)
  @discardableResult
  func add(_ amount: Int) -> Int {
    unsafe word.pointee.wrappingAdd(amount, ordering: .relaxed).newValue
  }
}

/// What is apart by so many bytes, and starts at a multiple of them, does not meet in any cache.
let cachePairSize = 2 * lineSize
