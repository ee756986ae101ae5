/// What a store is opened for.
struct Setup: Sendable {
  /// The store's identifier.
  var store: String
  /// A directory that is the store's alone.
  var directory: String
  /// The number of records that it is loaded with.
  var records: Int
  var valueBytes: Int
  /// The most threads that use it at the same time.
  var threads: Int
  /// Whether it is new; else it must be there.
  var creates: Bool
}
