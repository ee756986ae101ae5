import CBarKV

@testable import BarKV

/// The bytes of a region, line-aligned, to be used again and again.
@safe
final class ImageBuffer: @unchecked Sendable {
  // Safe to share: one worker uses it at a time, or a store whose threads keep to the medium's rules.

  let count: Int
  private let base: UnsafeMutableRawPointer

  /// - Parameter count: a multiple of a line; all bytes are zero.
  init(count: Int) {
    precondition(count > 0 && count % lineSize == 0)
    self.count = count
    unsafe base = allocateLines(bytes: count)
  }

  deinit {
    unsafe base.deallocate()
  }

  @unsafe
  var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: base, count: count)
  }

  var array: [UInt8] { unsafe Array(bytes) }

  func copy(from other: ImageBuffer) {
    precondition(other.count == count)
    unsafe base.copyMemory(from: other.base, byteCount: count)
  }

  func copy(from array: [UInt8]) {
    precondition(array.count == count)
    unsafe array.withUnsafeBytes { unsafe base.copyMemory(from: $0.baseAddress!, byteCount: count) }
  }

  func equals(_ other: ImageBuffer) -> Bool {
    unsafe count == other.count && barkv_equal(base, other.base, count)
  }

  /// The unit of `granule` bytes, 4 or 8, at `offset`.
  @inline(__always)
  func unit(at offset: Int, granule: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= count - granule)
    return unsafe granule == 8
      ? base.load(fromByteOffset: offset, as: UInt64.self)
      : UInt64(base.load(fromByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  func setUnit(_ value: UInt64, at offset: Int, granule: Int) {
    precondition(offset >= 0 && offset <= count - granule)
    if granule == 8 {
      unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    } else {
      unsafe base.storeBytes(of: UInt32(truncatingIfNeeded: value), toByteOffset: offset, as: UInt32.self)
    }
  }

  /// A medium over these bytes, mapped as on `model`, which keeps the buffer.
  func medium(
    for model: PersistenceModel, sharesBarriers: Bool = false, observer: (any MediumObserver)?
  ) throws(StoreError) -> Medium {
    try unsafe Medium.memory(
      borrowing: bytes, owner: self, domain: model.rules.domain, sharesBarriers: sharesBarriers, observer: observer,
      uncachedBytes: model.rules.uncachedBytes(of: count))
  }
}
