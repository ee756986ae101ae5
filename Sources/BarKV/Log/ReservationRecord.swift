/// The content of a `reservation` record behind the key: that an extent is reserved, or that it no longer is.
///
/// Without a record of its own a reservation would be forgotten with the process, and the extent given to another value
/// while a device still writes to it.
struct ReservationRecord: Equatable, Sendable {
  enum State: UInt32, Sendable {
    /// The extent belongs to whoever has the token.
    case reserved = 1
    /// It was given up. A commit has no such record: the put that refers to the extent says it.
    case released = 2
  }

  /// The token's generation.
  var generation: UInt64
  /// The extent's offset in the region, a multiple of the geometry's extent alignment.
  var offset: Int
  /// The value's bytes.
  var length: Int
  /// The generation of the segment that the extent is in.
  var extentGeneration: UInt64
  var state: State
  /// When it was reserved, in seconds since 1970, for people.
  var created: UInt64
  /// Since when the machine was running then: see ``bootIdentity()``. After another start the power may have been gone, and
  /// with it some of what a peer had written, whatever it wrote last.
  var boot: UInt64

  static let encodedBytes = 48

  /// Calls `body` with the 48 bytes.
  func withEncoded<R>(_ body: (UnsafeRawBufferPointer) throws(StoreError) -> R) throws(StoreError) -> R {
    var bytes: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    unsafe withUnsafeMutableBytes(of: &bytes) { bytes in
      let target = unsafe bytes.baseAddress.unsafelyUnwrapped
      unsafe target.setLittleEndian(generation, at: 0)
      unsafe target.setLittleEndian(UInt64(truncatingIfNeeded: offset), at: 8)
      unsafe target.setLittleEndian(extentGeneration, at: 16)
      unsafe target.setLittleEndian(UInt32(truncatingIfNeeded: length), at: 24)
      unsafe target.setLittleEndian(state.rawValue, at: 28)
      unsafe target.setLittleEndian(created, at: 32)
      unsafe target.setLittleEndian(boot, at: 40)
    }
    return try unsafe withUnsafeBytes(of: &bytes) { (bytes) throws(StoreError) in try unsafe body(bytes) }
  }

  /// Reads the 48 bytes at `source`; `nil` where the state is none. Nothing else is checked.
  @unsafe
  init?(_ source: UnsafeRawPointer) {
    guard let state = unsafe State(rawValue: source.littleEndian(UInt32.self, at: 28)) else { return nil }
    self.state = state
    unsafe generation = source.littleEndian(UInt64.self, at: 0)
    unsafe offset = Int(truncatingIfNeeded: source.littleEndian(UInt64.self, at: 8))
    unsafe extentGeneration = source.littleEndian(UInt64.self, at: 16)
    unsafe length = Int(source.littleEndian(UInt32.self, at: 24))
    unsafe created = source.littleEndian(UInt64.self, at: 32)
    unsafe boot = source.littleEndian(UInt64.self, at: 40)
  }

  init(
    generation: UInt64, offset: Int, length: Int, extentGeneration: UInt64, state: State, created: UInt64,
    boot: UInt64
  ) {
    self.generation = generation
    self.offset = offset
    self.length = length
    self.extentGeneration = extentGeneration
    self.state = state
    self.created = created
    self.boot = boot
  }
}

/// Where a checkpoint finds the record of a reservation that was open at the cut.
struct ReservationReference: Equatable, Sendable {
  /// The record's offset in the region.
  var offset: UInt64
  /// The generation of its segment.
  var generation: UInt64

  static let encodedBytes = 16
}
