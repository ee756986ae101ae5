extension RawSpan {
  /// The bytes, for as long as the span is borrowed: a function that takes a span has it until it returns.
  ///
  /// `withUnsafeBytes(_:)` says the same by a closure, which is a call where it is too large to be inlined.
  @unsafe
  @inline(__always)
  var bytesWhileBorrowed: UnsafeRawBufferPointer {
    unsafe withUnsafeBytes { unsafe $0 }
  }
}
