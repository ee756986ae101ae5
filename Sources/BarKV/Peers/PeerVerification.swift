/// How ``Store/commit(_:verifying:)`` finds out that all of what a peer wrote is there.
///
/// A device's word that it is done may arrive before its data: the word goes to memory, the data to a BAR, and nothing on the
/// bus orders the two. So the word alone proves nothing there.
public struct PeerVerification: Sendable {
  enum Method: Sendable {
    case automatic
    case checksum(UInt32)
    case trailer(UInt64)
    case readBack(@Sendable () throws -> Void)
    case completion
  }

  let method: Method
  var timeout: Duration = defaultTimeout
  /// The value's CRC32C, where the caller vouches for it: then nobody reads the value.
  var knownChecksum: UInt32?

  /// How long late data is waited for unless said otherwise.
  public static let defaultTimeout: Duration = .seconds(1)

  /// Takes the peer's word where its data and its word end in the same memory, which is a file, DAX, or memory of this
  /// process: there the bus keeps their order. On a device's memory, where that is not so, it refuses with
  /// ``StoreError/peerUnverified`` and leaves the reservation as it was: to guess would be to publish half a value.
  public static let `default` = PeerVerification(method: .automatic)

  /// The value's CRC32C (Castagnoli, as in iSCSI: starts from all ones and is inverted at the end), which the peer or
  /// whoever gave it the data computed. The value is read, and read again until it matches or the time is over. Proof
  /// whatever the bus does.
  public static func checksum(_ value: UInt32, timeout: Duration = defaultTimeout) -> PeerVerification {
    PeerVerification(method: .checksum(value), timeout: timeout)
  }

  /// The last eight bytes of the value, little-endian, which the same peer writes after all others, without relaxed
  /// ordering. They are waited for until the time is over. Not 0: that is what stands there until then. No proof once the
  /// machine was started anew (``ReservationInfo/mayHaveLostData``): a power cut may keep the last bytes and take others.
  ///
  /// - Parameter checksum: the value's CRC32C, where that is known: then the processor reads nothing but the trailer. It is taken
  ///   as it is, and a wrong one shows as damage.
  public static func trailer(
    _ word: UInt64, checksum: UInt32? = nil, timeout: Duration = defaultTimeout
  ) -> PeerVerification {
    PeerVerification(method: .trailer(word), timeout: timeout, knownChecksum: checksum)
  }

  /// A read of the value's last byte, or of anything behind it in the region, that the same peer makes after its writes, and
  /// whose completion `body` waits for: a read pushes the peer's writes before it. No proof once the machine was started anew.
  ///
  /// - Parameter checksum: as for ``trailer(_:checksum:timeout:)``.
  public static func readBack(
    checksum: UInt32? = nil, _ body: @escaping @Sendable () throws -> Void
  ) -> PeerVerification {
    PeerVerification(method: .readBack(body), knownChecksum: checksum)
  }

  /// Nothing but the caller's word that all data is there: because it was told so in a way that comes behind the data, or
  /// because it wrote the value itself.
  public static let completion = PeerVerification(method: .completion)

  /// The caller's word, and the value's CRC32C: the processor reads nothing. It is taken as it is, and a wrong one shows as
  /// damage.
  public static func completion(checksum: UInt32) -> PeerVerification {
    PeerVerification(method: .completion, knownChecksum: checksum)
  }
}
