/// Names one reservation for good: a store gives no number out twice, so an old token never names a later reservation.
///
/// As text it is three groups of hexadecimal digits, `00000003-0000001a-9f3a2b1c`: the owner's epoch, a counter, and a
/// checksum by which another store's token, or a mistyped one, is found out.
public struct ReservationToken: Sendable, Hashable {
  /// The reservation's generation: owner epoch above, counter below.
  let generation: UInt64
  /// Ties the token to its store.
  let tag: UInt32

  init(generation: UInt64, seed: UInt64) {
    self.generation = generation
    tag = Checksum.of(words: [seed, generation], seed: 0x4B54_5652)
  }
}

extension ReservationToken: LosslessStringConvertible {
  /// Reads what ``description`` gives; `nil` for any other text.
  public init?(_ description: String) {
    let groups = description.split(separator: "-", omittingEmptySubsequences: false)
    guard groups.count == 3, groups.allSatisfy({ $0.utf8.count == 8 && $0.utf8.allSatisfy(Self.isDigit) }),
      let epoch = UInt32(groups[0], radix: 16), let counter = UInt32(groups[1], radix: 16),
      let tag = UInt32(groups[2], radix: 16)
    else { return nil }
    generation = UInt64(epoch) << 32 | UInt64(counter)
    self.tag = tag
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }

  /// The token as text.
  public var description: String {
    [UInt32(generation >> 32), UInt32(truncatingIfNeeded: generation), tag].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined(separator: "-")
  }
}
