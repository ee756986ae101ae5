/// What a store takes. The one validator of keys and values: every way in goes through ``checkKey(_:)`` and
/// ``checkValue(_:)``.
public struct StoreLimits: Sendable, Hashable {
  /// The longest key in bytes: 65,535, or less where segments are small. The shortest has one byte.
  public let maximumKeyLength: Int
  /// The longest value in bytes: 1 GiB, or what an empty store of this size could hold. The shortest has none.
  public let maximumValueLength: Int

  init(_ geometry: Geometry) {
    maximumKeyLength = geometry.maximumKeyLength
    maximumValueLength = geometry.maximumValueLength
  }

  /// - Throws: ``StoreError/invalidKeyLength(_:maximum:)``.
  @inline(__always)
  func checkKey(_ length: Int) throws(StoreError) {
    guard length >= 1, length <= maximumKeyLength else {
      throw .invalidKeyLength(length, maximum: maximumKeyLength)
    }
  }

  /// - Throws: ``StoreError/valueTooLarge(_:maximum:)``.
  @inline(__always)
  func checkValue(_ length: Int) throws(StoreError) {
    guard length <= maximumValueLength else { throw .valueTooLarge(length, maximum: maximumValueLength) }
  }
}
