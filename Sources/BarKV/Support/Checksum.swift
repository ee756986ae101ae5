import CBarKV
import CLibISAL

/// CRC32C (Castagnoli): of most records by the processor's own instruction, of all else by ISA-L, which uses carry-less
/// multiplication and needs longer to begin.
enum Checksum {
  /// Up to so many bytes the processor's instruction is faster than ISA-L.
  private static var shortBytes: Int { 256 }

  /// The checksum of `bytes`, continued from `seed`.
  @inline(__always)
  static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
    if bytes.count <= shortBytes, barkv_has_crc32c() {
      return unsafe barkv_crc32c_short(bytes.baseAddress, bytes.count, seed)
    }
    return unsafe ofLong(bytes, seed: seed)
  }

  /// The checksum of `word`, then `key`, then `value`, as if they stood one behind the other.
  ///
  /// Of a record, taken from where its parts come from: read back from where they were just put together, the first words
  /// would have to wait for the stores that made them.
  @unsafe
  @inline(__always)
  static func of(
    _ word: UInt64, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, seed: UInt32
  ) -> UInt32 {
    if key.count &+ value.count <= shortBytes, barkv_has_crc32c() {
      var crc = barkv_crc32c_word(word.littleEndian, seed)
      crc = unsafe barkv_crc32c_short(key.baseAddress, key.count, crc)
      return unsafe barkv_crc32c_short(value.baseAddress, value.count, crc)
    }
    return unsafe ofLong(value, seed: ofLong(key, seed: of(words: [word], seed: seed)))
  }

  @inline(never)
  private static func ofLong(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
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
