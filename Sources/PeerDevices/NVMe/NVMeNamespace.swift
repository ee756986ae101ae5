/// A controller's namespace: a range of blocks.
public struct NVMeNamespace: Sendable, Equatable {
  /// Its number, from 1 on.
  public let number: UInt32
  /// How many blocks it has.
  public let blockCount: UInt64
  /// The bytes of a block.
  public let blockBytes: Int

  /// Decodes what Identify says of a namespace (NVM Command Set 1.1, 4.1.5.1), by its bytes' 32-bit words.
  ///
  /// - Throws: ``PeerError/invalidRequest(_:)`` where there is none, or its blocks have metadata, which this driver does
  ///   not transfer.
  init(number: UInt32, word: (Int) -> UInt32) throws(PeerError) {
    self.number = number
    blockCount = UInt64(word(0)) | UInt64(word(4)) << 32
    guard blockCount > 0 else { throw .invalidRequest("the controller has no active namespace \(number)") }
    // FLBAS is byte 26: bits 3:0 and 6:5 of the format's number.
    let formatted = word(24) >> 16 & 0xFF
    let format = Int(formatted & 0xF | (formatted >> 5 & 0x3) << 4)
    let description = word(128 + 4 * format)
    let power = Int(description >> 16 & 0xFF)
    guard description & 0xFFFF == 0, (9...12).contains(power) else {
      throw .invalidRequest("namespace \(number) has blocks of 2^\(power) bytes with metadata, or of an unusual size")
    }
    blockBytes = 1 << power
  }
}
