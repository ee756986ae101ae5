/// What may be in the store after a power cut at one point.
struct Oracle {
  /// The digests of the contents that are right.
  var allowed: Set<UInt64>
  /// Whether the store is being created: there need be none yet, and one whose second superblock is whole may lack the first.
  var mayBeMissing = false
  /// Whether a close was the last that was answered: it must show.
  var isClosed = false
  /// For a failure's message.
  var inFlight = ""
  /// The reservations that are open; `nil` where nobody keeps account of them.
  var reservations: ReservationLedger?

  /// Stands for the oracle where states are told apart.
  var identity: UInt64 {
    // No digest counts for nothing, that of an empty store neither.
    let name = reservations?.identity ?? 0
    return allowed.reduce(name &+ (mayBeMissing ? 1 : isClosed ? 2 : 0)) {
      $0 &+ (CrashImage.mix(64, $1) | 1) &* 0x2545_F491_4F6C_DD1D
    }
  }
}

/// A state that is not judged right, with all it takes to look at it again.
struct RigFailure: Error, CustomStringConvertible {
  var description: String
  /// The image that recovery was given.
  var image: [UInt8]
  var oracle: Oracle
}

/// The end of the time or of the states asked for.
struct RigStop: Error {}
