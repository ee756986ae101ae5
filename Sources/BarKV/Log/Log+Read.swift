import CBarKV

/// Looking at records in place.
extension Log {
  /// The hash of a key in this store.
  @unsafe
  @inline(__always)
  func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
    unsafe KeyHash.of(key, seed: superblock.seed)
  }

  /// The key of the record at `line`, in place.
  @unsafe
  func key(ofRecordAtLine line: Int) -> UnsafeRawBufferPointer? {
    let offset = line * lineSize
    guard let header = unsafe Record.header(medium.bytes, at: offset), header.byteCount <= medium.length - offset else {
      return nil
    }
    let start = offset + Record.headerBytes
    return unsafe UnsafeRawBufferPointer(rebasing: medium.bytes[start..<start + header.keyLength])
  }

  /// The reference in the record at `line`, if it has one.
  func extentReference(ofRecordAtLine line: Int) -> ExtentReference? {
    let offset = line * lineSize
    guard let header = unsafe Record.header(medium.bytes, at: offset), header.kind == .putExtent,
      header.valueLength == ExtentReference.encodedBytes, header.byteCount <= medium.length - offset
    else { return nil }
    return unsafe ExtentReference(medium.bytes.baseAddress! + offset + Record.headerBytes + header.keyLength)
  }

  /// Loads the line that a comparison of the record's key will look at.
  @inline(__always)
  func prefetch(line: Int) {
    unsafe barkv_prefetch(medium.bytes.baseAddress! + line &* lineSize)
  }

  /// Loads the first two lines of a record, which is all of most.
  @inline(__always)
  func prefetchRecord(line: Int) {
    prefetch(line: line)
    // Behind the region's last line nothing is touched: a prefetch of what is not there does nothing.
    prefetch(line: line &+ 1)
  }

  /// Whether the record at `line` is about `key`.
  @unsafe
  @inline(__always)
  func record(atLine line: Int, hasKey key: UnsafeRawBufferPointer) -> Bool {
    let region = unsafe medium.bytes
    let offset = line &* lineSize
    assert(offset >= 0 && offset <= region.count - lineSize, "the index names whole lines of the region")
    // A short key ends in the record's first line. For a longer one the medium may have changed since the record was
    // checked, but never where its end is.
    if key.count > lineSize &- Record.headerBytes, key.count > region.count &- offset &- Record.headerBytes {
      return false
    }
    let record = unsafe region.baseAddress! + offset
    guard unsafe Int(record.littleEndian(UInt16.self, at: 8)) == key.count else { return false }
    return unsafe barkv_equal(record + Record.headerBytes, key.baseAddress!, key.count)
  }

  /// The value of the record at `line`, in place.
  ///
  /// - Throws: ``StoreError/damagedRecord(offset:)`` where what stands there can no longer be a value, and, when
  ///   `verifying`, where a checksum is wrong.
  @unsafe
  @inline(__always)
  func value(ofRecordAtLine line: Int, verifying: Bool) throws(StoreError) -> UnsafeRawBufferPointer {
    let offset = line &* lineSize
    if verifying { try checkRecord(at: offset) }
    guard let header = unsafe Record.header(medium.bytes, at: offset), header.byteCount <= medium.length &- offset
    else {
      throw .damagedRecord(offset: UInt64(offset))
    }
    if let value = unsafe inlineValue(ofRecordAtLine: line, keyLength: header.keyLength) { return unsafe value }
    return try unsafe extentValue(offset: offset, verifying: verifying)
  }

  /// The value of the record at `line`, whose key has `keyLength` bytes, where it stands in the record itself.
  @unsafe
  @inline(__always)
  func inlineValue(ofRecordAtLine line: Int, keyLength: Int) -> UnsafeRawBufferPointer? {
    let region = unsafe medium.bytes
    let offset = line &* lineSize
    assert(offset >= 0 && offset <= region.count - lineSize)
    let record = unsafe region.baseAddress! + offset
    let bits = unsafe record.littleEndian(UInt16.self, at: 10)
    let length = Int(bits & 0xFFF)
    let start = Record.headerBytes &+ keyLength
    guard (bits >> 12) & 7 == UInt16(RecordKind.put.rawValue), offset &+ start &+ length <= region.count else {
      return nil
    }
    return unsafe UnsafeRawBufferPointer(start: record + start, count: length)
  }

  @unsafe
  @inline(never)
  private func extentValue(
    offset: Int, verifying: Bool
  ) throws(StoreError) -> UnsafeRawBufferPointer {
    guard let reference = extentReference(ofRecordAtLine: offset / lineSize), let value = unsafe extent(reference)
    else { throw .damagedRecord(offset: UInt64(offset)) }
    if verifying, !Mutant.readAcceptsExtent.isActive {
      let salt = unsafe segments[geometry.segment(at: reference.offset)].pointee.salt
      guard unsafe Checksum.of(value, seed: salt) == reference.checksum else {
        throw .damagedRecord(offset: UInt64(reference.offset))
      }
    }
    return unsafe value
  }

  @inline(never)
  private func checkRecord(at offset: Int) throws(StoreError) {
    if Mutant.readAcceptsRecord.isActive { return }
    let segment = geometry.segment(at: offset)
    let salt = unsafe segments[segment].pointee.salt
    let limit = geometry.segmentOffset(segment) + geometry.segmentSize
    guard unsafe Record.validate(medium.bytes, at: offset, limit: limit, salt: salt) != nil else {
      throw .damagedRecord(offset: UInt64(offset))
    }
  }

  /// What a record keeps occupied.
  struct Footprint {
    /// The record's own lines.
    var lines: Int
    /// The lines of its extent, and the segment they are in; none where the value is in the record.
    var extentLines = 0
    var extentSegment = -1
    var isDelete = false

    @inline(__always)
    var totalLines: Int { lines &+ extentLines }
  }

  /// What the record at `line` keeps occupied.
  @inline(__always)
  func footprint(ofRecordAtLine line: Int) -> Footprint {
    let offset = line &* lineSize
    guard let header = unsafe Record.header(medium.bytes, at: offset) else {
      return Footprint(lines: 1)
    }
    var footprint = Footprint(lines: header.lines, isDelete: header.kind == .delete)
    if header.kind == .putExtent { addExtent(to: &footprint, offset: offset) }
    return footprint
  }

  @inline(never)
  private func addExtent(to footprint: inout Footprint, offset: Int) {
    guard let reference = extentReference(ofRecordAtLine: offset / lineSize), unsafe extent(reference) != nil else {
      return
    }
    footprint.extentLines = extentLines(bytes: reference.length)
    footprint.extentSegment = geometry.segment(at: reference.offset)
  }
}
