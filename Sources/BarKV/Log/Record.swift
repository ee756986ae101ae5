import CBarKV

/// What a record says.
enum RecordKind: UInt8, Sendable {
  /// The key has the value that follows it.
  case put = 1
  /// The key has the value in an extent, whose reference follows the key.
  case putExtent = 2
  /// The key is absent: a tombstone.
  case delete = 3
  /// The next records belong to a batch: see ``BatchFragment``.
  case batch = 4
  /// The segment takes no more records.
  case seal = 5
  /// An extent is reserved for a peer, or no longer: see ``ReservationRecord``.
  case reservation = 6
}

/// The layout of a record: 12 bytes of header, the key, the value, zeros up to the next line.
///
/// ```
///  0       4            8          10                  12
///  | CRC32C | sequence - | key      | value length 0…11  | key … | value … | 0 …
///  |        | base       | length   | kind 12…14         |
///  |        |            |          | settled 15         |
/// ```
///
/// The checksum starts from the segment's salt (store, segment, generation) and covers everything behind it but the
/// padding. A 16-byte key and a 100-byte value make two lines.
enum Record {
  static let headerBytes = 12
  /// The longest value that a record itself holds.
  static let maximumInlineValue = 4095

  /// The fields of a header.
  struct Header: Equatable {
    var checksum: UInt32
    /// The sequence number, counted from the segment's base.
    var delta: UInt32
    var keyLength: Int
    /// The bytes behind the key: the value, or what stands for it.
    var valueLength: Int
    var kind: RecordKind
    /// Whether everything that the lane stored before this record was durable before this record was stored.
    var isSettled: Bool

    /// The record's bytes without padding.
    @inline(__always)
    var byteCount: Int { Record.headerBytes &+ keyLength &+ valueLength }
    /// The lines that the record occupies.
    @inline(__always)
    var lines: Int { lineCount(bytes: byteCount) }
  }

  /// How many lines a record with such a key and value occupies.
  @inline(__always)
  static func lines(keyLength: Int, valueLength: Int) -> Int {
    lineCount(bytes: headerBytes &+ keyLength &+ valueLength)
  }

  /// Writes a record of `key` and `value`, padding included, to whole lines at `record`.
  @unsafe
  @inline(__always)
  static func build(
    _ record: UnsafeMutableRawPointer, delta: UInt32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
    kind: RecordKind, isSettled: Bool, salt: UInt32
  ) {
    let words = unsafe headerWords(
      delta: delta, key: key, value: value, kind: kind, isSettled: isSettled, salt: salt)
    // The last line's padding, before the rest is laid over it.
    let end = lines(keyLength: key.count, valueLength: value.count) &* lineSize
    unsafe (record + (end &- lineSize)).initializeMemory(as: UInt64.self, repeating: 0, count: lineSize / 8)
    let body = unsafe record + headerBytes
    if let bytes = key.baseAddress { unsafe barkv_copy_key(body, bytes, key.count) }
    if let bytes = value.baseAddress { unsafe barkv_copy_value(body + key.count, bytes, value.count) }
    unsafe record.setLittleEndian(words.head, at: 0)
    unsafe record.setLittleEndian(words.lengths, at: 8)
  }

  /// A record's header: its first eight bytes, the checksum among them, and the four of the lengths, the kind, the flag.
  @unsafe
  @inline(__always)
  static func headerWords(
    delta: UInt32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, kind: RecordKind, isSettled: Bool,
    salt: UInt32
  ) -> (head: UInt64, lengths: UInt32) {
    assert(value.count <= maximumInlineValue && key.count <= 65_535)
    let lengths =
      UInt32(truncatingIfNeeded: key.count) | UInt32(truncatingIfNeeded: value.count) << 16
      | UInt32(kind.rawValue) << 28 | (isSettled ? 1 << 31 : 0)
    let checksum = unsafe Checksum.of(UInt64(delta) | UInt64(lengths) << 32, key, value, seed: salt)
    return (UInt64(checksum) | UInt64(delta) << 32, lengths)
  }

  /// A settled seal for a segment with that salt: a line.
  static func settledSeal(salt: UInt32) -> [UInt8] {
    var line = [UInt8](repeating: 0, count: lineSize)
    unsafe line.withUnsafeMutableBytes { line in
      guard let record = line.baseAddress else { return }
      unsafe build(
        record, delta: 0, key: UnsafeRawBufferPointer(start: nil, count: 0),
        value: UnsafeRawBufferPointer(start: nil, count: 0), kind: .seal, isSettled: true, salt: salt)
    }
    return line
  }

  /// The header at `offset`, if its kind is one; nothing else about it is checked.
  @inline(__always)
  static func header(_ region: UnsafeRawBufferPointer, at offset: Int) -> Header? {
    assert(offset >= 0 && offset + headerBytes <= region.count)
    let source = unsafe region.baseAddress! + offset
    let bits = unsafe source.littleEndian(UInt16.self, at: 10)
    guard let kind = RecordKind(rawValue: UInt8(truncatingIfNeeded: bits >> 12) & 7) else { return nil }
    return unsafe Header(
      checksum: source.littleEndian(UInt32.self, at: 0), delta: source.littleEndian(UInt32.self, at: 4),
      keyLength: Int(source.littleEndian(UInt16.self, at: 8)), valueLength: Int(bits & 0xFFF), kind: kind,
      isSettled: bits & 0x8000 != 0)
  }

  /// The header at `offset` if a whole, checksummed, sensible record stands there and ends at `limit` or before.
  static func validate(
    _ region: UnsafeRawBufferPointer, at offset: Int, limit: Int, salt: UInt32
  ) -> Header? {
    guard let header = unsafe header(region, at: offset), header.isSensible, header.byteCount <= limit - offset else {
      return nil
    }
    let body = unsafe UnsafeRawBufferPointer(rebasing: region[offset + 4..<offset + header.byteCount])
    guard unsafe Mutant.acceptsRecordChecksum.isActive || Checksum.of(body, seed: salt) == header.checksum else {
      return nil
    }
    return header
  }

  /// Whether zeros follow the record at `offset` up to the next line, as the store writes them. No checksum covers them, and
  /// a record does not need them.
  static func isPadded(_ header: Header, _ region: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    let end = offset + header.byteCount
    return unsafe region[end..<offset + header.lines * lineSize].allSatisfy { $0 == 0 }
  }
}

extension Record.Header {
  /// Whether the lengths are what the kind needs. Only a build with another format could differ behind a right checksum, and
  /// its version says so; what is no record at all differs mostly, and need not be checksummed.
  var isSensible: Bool {
    switch kind {
    case .put: keyLength >= 1
    case .putExtent: keyLength >= 1 && valueLength == ExtentReference.encodedBytes
    case .delete: keyLength >= 1 && valueLength == 0
    case .batch: keyLength == 0 && valueLength == BatchFragment.encodedBytes
    case .seal: keyLength == 0 && valueLength == 0
    case .reservation: valueLength == ReservationRecord.encodedBytes
    }
  }
}
