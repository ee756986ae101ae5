import CLibISAL

/// CRC32C (Castagnoli), by ISA-L, which uses the processor's carry-less multiplication and CRC instructions where it has
/// them. 100 bytes cost some 10 ns.
enum Checksum {
  /// The checksum of `bytes`, continued from `seed`.
  @inline(__always)
  static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
    var crc = seed
    guard let base = bytes.baseAddress else { return crc }
    // ISA-L takes an Int32 length; a value may have 1 GiB, which fits, but nothing larger is promised to.
    var offset = 0
    repeat {
      let count = min(bytes.count - offset, 1 << 30)
      let start = unsafe UnsafeMutablePointer(mutating: (base + offset).assumingMemoryBound(to: UInt8.self))
      crc = unsafe crc32_iscsi(start, Int32(count), crc)
      offset += count
    } while offset < bytes.count
    return crc
  }

  /// The checksum of 64-bit words in little-endian order: the salts that tie a record to its store, segment and
  /// generation.
  static func of(words: [UInt64], seed: UInt32) -> UInt32 {
    var crc = seed
    for word in words {
      unsafe withUnsafeBytes(of: word.littleEndian) { crc = unsafe of($0, seed: crc) }
    }
    return crc
  }
}
