/// Room for a value that another device, or another process, writes in place.
///
/// It stays reserved, over the end of the process and a loss of power too, until its token is committed or abandoned.
public struct Reservation: Sendable, Hashable {
  /// What ``Store/commit(_:verifying:)`` and ``Store/abandon(_:)`` are given.
  public let token: ReservationToken
  /// The key that the value will have.
  public let key: [UInt8]
  let range: PeerRange

  /// Where the value starts, from the region's start.
  public var offset: Int { range.offset }
  /// The value's bytes. Nothing beyond them is the peer's to write.
  public var length: Int { range.length }
  /// Where other devices find it; `nil` where that is not known: ``noAddress`` says why.
  public var address: BusAddress? { range.address }
  /// Where the NVMe controller whose Persistent Memory Region this is finds it by its own commands, where it was given a
  /// base for that.
  public var controllerAddress: BusAddress? { range.controllerAddress }
  /// Why there is no ``address``; `nil` where there is one.
  public var noAddress: NoBusAddress? { range.noAddress }

  /// The value's place in pieces of at most `bytes` bytes, a scatter list; 1 where less is asked for.
  public func pieces(ofAtMost bytes: Int) -> ScatterList { ScatterList(range, pieceLength: bytes) }
}

/// A reservation as it is listed.
public struct ReservationInfo: Sendable, Hashable {
  /// How a reservation came to be there.
  public enum State: String, Sendable, Hashable, CaseIterable {
    /// This owner made it.
    case active
    /// An earlier owner made it and ended without a word. A device may still be writing, so nobody else gets the place until
    /// the token is committed or abandoned.
    case quarantined
  }

  /// What was reserved.
  public let reservation: Reservation
  /// How it came to be there.
  public let state: State
  /// Whether the machine was started since. Then the power may have been gone, and of what a peer had written by then any part
  /// may be lost, whatever it wrote last: a commit takes a checksum, or the caller's word that all of it was written since.
  public let mayHaveLostData: Bool
  /// When it was made, in seconds since 1970 by the clock of the machine that made it. For people.
  public let created: UInt64
  /// How long ago that was, in seconds; 0 where the clock was set back since.
  public let ageSeconds: UInt64
}

/// A lease as it is listed.
public struct LeaseInfo: Sendable, Hashable {
  /// The key whose value is leased.
  public let key: [UInt8]
  /// Where the value starts, from the region's start.
  public let offset: Int
  /// The value's bytes.
  public let length: Int
  /// How long ago the lease was taken, in seconds.
  public let ageSeconds: UInt64
}
