/// A block of a run: 256 bytes, with a checksum of its own, so that a part of a run is read without the rest.
///
/// ```
///  0        4       6       8            16                                     256
///  | CRC32C | count | width | first place | entries of 8 or of 16 bytes … | 0 … |
/// ```
///
/// An entry of 8 bytes has the state in its low bits, as many as a line of the region needs and one that says that the slot
/// is gone, and the distance from the block's first place above; one of 16 bytes has the place and the state in full. The
/// writer takes whichever width holds more: the narrow one but for few entries in a region of many terabytes.
enum RunBlock {
  static let byteCount = 256
  static let headerBytes = 16
  static let narrowCapacity = (byteCount - headerBytes) / 8
  static let wideCapacity = (byteCount - headerBytes) / 16

  /// The bits of a state in a region of so many bytes.
  static func stateBits(regionBytes: Int) -> UInt64 {
    UInt64(Int.bitWidth - (regionBytes / lineSize).leadingZeroBitCount + 1)
  }

  /// How many of `entries` the next block takes, and whether they are narrow.
  static func fit(_ entries: ArraySlice<RunEntry>, stateBits: UInt64) -> (count: Int, isNarrow: Bool) {
    guard let first = entries.first else { return (0, true) }
    // They are in the order of their places: where the last one is near enough, all are.
    var narrow = min(narrowCapacity, entries.count)
    while (entries[entries.startIndex + narrow - 1].key - first.key) >> (64 - stateBits) != 0 { narrow -= 1 }
    let wide = min(wideCapacity, entries.count)
    return narrow >= wide ? (narrow, true) : (wide, false)
  }

  /// Writes a block of `entries`, which ``fit(_:)`` took, at `target`, whose bytes are zero.
  @unsafe
  static func encode(
    _ entries: ArraySlice<RunEntry>, isNarrow: Bool, stateBits: UInt64, salt: UInt32, to target: UnsafeMutableRawPointer
  ) {
    guard let first = entries.first else { return }
    unsafe target.setLittleEndian(UInt16(entries.count), at: 4)
    unsafe target.setLittleEndian(UInt16(isNarrow ? 8 : 16), at: 6)
    unsafe target.setLittleEndian(first.key, at: 8)
    var position = headerBytes
    for entry in entries {
      if isNarrow {
        unsafe target.setLittleEndian((entry.key - first.key) << stateBits | entry.state, at: position)
        position += 8
      } else {
        unsafe target.setLittleEndian(entry.key, at: position)
        unsafe target.setLittleEndian(entry.state, at: position + 8)
        position += 16
      }
    }
    let body = unsafe UnsafeRawBufferPointer(start: target + 4, count: byteCount - 4)
    unsafe target.setLittleEndian(Checksum.of(body, seed: salt), at: 0)
  }

  /// The place of the block's first entry: a hint where to look, until the block's checksum says that it is right.
  @unsafe
  @inline(__always)
  static func firstKey(_ block: UnsafeRawPointer) -> UInt64 {
    unsafe block.littleEndian(UInt64.self, at: 8)
  }

  /// Adds the block's entries from place `lower` to before `upper` to `entries`.
  ///
  /// - Parameter lines: where records may stand: no entry that counts names another line.
  /// - Returns: whether the block is whole.
  @unsafe
  static func decode(
    _ block: UnsafeRawPointer, from lower: UInt64, to upper: UInt64, stateBits: UInt64, lines: Range<Int>, salt: UInt32,
    into entries: inout [RunEntry]
  ) -> Bool {
    let body = unsafe UnsafeRawBufferPointer(start: block + 4, count: byteCount - 4)
    let count = unsafe Int(block.littleEndian(UInt16.self, at: 4))
    let width = unsafe Int(block.littleEndian(UInt16.self, at: 6))
    guard
      unsafe Checksum.of(body, seed: salt) == block.littleEndian(UInt32.self, at: 0)
        || Mutant.acceptsRunChecksum.isActive,
      width == 8 ? count <= narrowCapacity : width == 16 && count <= wideCapacity
    else { return false }
    let first = unsafe firstKey(block)
    for number in 0..<count {
      let entry: RunEntry
      if width == 8 {
        let word = unsafe block.littleEndian(UInt64.self, at: headerBytes + number * 8)
        entry = RunEntry(key: first &+ word >> stateBits, state: word & (1 << stateBits - 1))
      } else {
        entry = unsafe RunEntry(
          key: block.littleEndian(UInt64.self, at: headerBytes + number * 16),
          state: block.littleEndian(UInt64.self, at: headerBytes + number * 16 + 8))
      }
      // A right checksum proves nothing about intent: a place outside what was asked for is left out all the same, and a line
      // outside the region.
      if entry.key >= lower, entry.key < upper, entry.state >> stateBits == 0, lines.contains(entry.line) {
        entries.append(entry)
      }
    }
    return true
  }
}
