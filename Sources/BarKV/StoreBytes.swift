/// What can be a key or a value: anything that can show its bytes in place.
///
/// Keys and values are bytes; a `String` stands for its UTF-8. Conform a type of your own by giving a span of its bytes.
public protocol StoreBytes {
  /// Calls `body` with the bytes; the span is valid until `body` returns.
  func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R
}

extension String: StoreBytes {
  /// Calls `body` with the UTF-8 in place.
  @inlinable
  public func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    unsafe try body(utf8.span.bytes)
  }
}

extension Substring: StoreBytes {
  /// Calls `body` with the bytes in place.
  @inlinable
  public func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    unsafe try body(utf8.span.bytes)
  }
}

extension Array: StoreBytes where Element == UInt8 {
  /// Calls `body` with the bytes in place.
  @inlinable
  public func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    unsafe try body(span.bytes)
  }
}

extension ArraySlice: StoreBytes where Element == UInt8 {
  /// Calls `body` with the bytes in place.
  @inlinable
  public func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    unsafe try body(span.bytes)
  }
}

extension ContiguousArray: StoreBytes where Element == UInt8 {
  /// Calls `body` with the bytes in place.
  @inlinable
  public func withStoreBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    unsafe try body(span.bytes)
  }
}
