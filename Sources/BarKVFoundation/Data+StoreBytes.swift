#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import BarKV

extension Data: StoreBytes {
  /// Calls `body` with the data's bytes.
  public func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try body(bytes)
  }
}

extension Store {
  /// A copy of the value of `key` as `Data`, or `nil` where it is absent.
  ///
  /// - Throws: as ``get(_:)``.
  public func getData<K: StoreBytes>(_ key: K) throws(StoreError) -> Data? {
    try withValue(of: key) { value in unsafe value.withUnsafeBytes { unsafe Data($0) } }
  }
}
