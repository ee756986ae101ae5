/// An open store that is measured.
protocol BenchStore: Sendable {
  associatedtype Session: BenchSession

  init(_ setup: Setup) throws
  /// Whether it keeps keys in order, so that it can scan.
  var isOrdered: Bool { get }
  /// Whether a read shows what was written in the fastest mode just before.
  var showsFastestWrites: Bool { get }
  /// The bytes of the medium that are in use.
  func mediumBytes() throws -> Int
  /// Begins the use by one thread, in durable mode.
  func begin() throws -> Session
  /// Does what the store would have done by itself after a while.
  func settle() throws
  func close() throws
}

/// One thread's use of a store. Entries are known by their numbers; `BenchSupport.key(of:)` makes their keys.
protocol BenchSession {
  func put(_ number: UInt64, _ value: UnsafeRawBufferPointer) throws
  /// Copies a value to a buffer; its bytes, or `nil` where there is none.
  func get(_ number: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int?
  func delete(_ number: UInt64) throws
  /// Copies up to `count` records from a key on, in order; how many there were.
  func scan(_ number: UInt64, count: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int
  mutating func setMode(_ mode: Mode) throws
  func end() throws
}
