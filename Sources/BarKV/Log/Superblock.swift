/// What a region is: written twice when the store is created, and never again. `Docs/Format.md` has every byte.
struct Superblock: Sendable, Equatable {
  var geometry: Geometry
  /// Feature bits that an older build may ignore.
  var compatibleFeatures: UInt64 = 0
  /// Feature bits without which a build must leave the region alone.
  var incompatibleFeatures: UInt64 = 0
  /// Random: seeds the hash of keys and every checksum, so that no content can pose as another store's record.
  var seed: UInt64
  /// Random: names the store.
  var identifier: (UInt64, UInt64)
  /// Seconds since 1970 at creation, for people.
  var created: UInt64

  static func == (first: Superblock, second: Superblock) -> Bool {
    first.geometry == second.geometry && first.compatibleFeatures == second.compatibleFeatures
      && first.incompatibleFeatures == second.incompatibleFeatures && first.seed == second.seed
      && first.identifier == second.identifier && first.created == second.created
  }

  /// Log segments keep a ``Frontier``: a build that writes records and not that word would hide them from one that reads it.
  static let frontiers: UInt64 = 1
  var hasFrontiers: Bool { incompatibleFeatures & Self.frontiers != 0 }

  static let encodedBytes = 256
  static let version: UInt16 = 3
  private static let magic: [UInt8] = [0x42, 0x61, 0x72, 0x4B, 0x56, 0x0D, 0x0A, 0x1A]  // "BarKV\r\n\x1A"
  private static let byteOrderMark: UInt32 = 0x0102_0304
  private static let checksumOffset = 252

  /// The copy's bytes: 256.
  func encoded() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.encodedBytes)
    unsafe bytes.withUnsafeMutableBytes { buffer in
      let target = buffer.baseAddress!
      unsafe buffer.copyBytes(from: Self.magic)
      unsafe target.setLittleEndian(Self.byteOrderMark, at: 8)
      unsafe target.setLittleEndian(Self.version, at: 12)
      unsafe target.setLittleEndian(UInt16(Self.encodedBytes), at: 14)
      unsafe target.setLittleEndian(compatibleFeatures, at: 16)
      unsafe target.setLittleEndian(incompatibleFeatures, at: 24)
      unsafe target.setLittleEndian(UInt64(geometry.regionBytes), at: 32)
      unsafe target.setLittleEndian(UInt32(geometry.segmentSize), at: 40)
      unsafe target.setLittleEndian(UInt32(geometry.segmentCount), at: 44)
      unsafe target.setLittleEndian(UInt64(geometry.firstSegment), at: 48)
      unsafe target.setLittleEndian(UInt32(geometry.metadataStride), at: 56)
      unsafe target.setLittleEndian(UInt32(geometry.extentAlignment), at: 60)
      unsafe target.setLittleEndian(UInt32(geometry.extentThreshold), at: 64)
      unsafe target.setLittleEndian(seed, at: 72)
      unsafe target.setLittleEndian(identifier.0, at: 80)
      unsafe target.setLittleEndian(identifier.1, at: 88)
      unsafe target.setLittleEndian(created, at: 96)
      let checksum = unsafe Checksum.of(UnsafeRawBufferPointer(rebasing: buffer[..<Self.checksumOffset]), seed: 0)
      unsafe target.setLittleEndian(checksum, at: Self.checksumOffset)
    }
    return bytes
  }

  // MARK: Reading

  /// What one copy turned out to be.
  private enum Copy {
    case valid(Superblock)
    /// The checksum is right and the content is not for this build: no damage, a fact.
    case refused(StoreError)
    /// Nothing but zeros, which are their own checksum: a creation that was cut off, or damage.
    case blank
    /// The checksum is wrong; `looks` is what the fields say all the same.
    case damaged(looks: StoreError?)
  }

  /// Reads the region's superblock: the first copy, or the second where the first is damaged.
  ///
  /// - Returns: the superblock, and the offset of a damaged copy.
  static func read(
    from bytes: UnsafeRawBufferPointer, path: String
  ) throws(StoreError) -> (superblock: Superblock, damagedCopy: Int?) {
    let stride = Geometry.metadataStride(regionBytes: bytes.count)
    let first = unsafe decode(bytes, at: 0, path: path)
    let second = unsafe decode(bytes, at: stride, path: path)
    switch (first, second) {
    case (.valid(let superblock), .valid(let other)):
      guard superblock == other || Mutant.acceptsDifferentSuperblocks.isActive else {
        throw .corrupt("the superblock's copies differ")
      }
      return (superblock, nil)
    case (.refused(let error), _): throw error
    case (.blank, .valid(let superblock)): return (superblock, 0)
    case (.blank, .refused(let error)): throw error
    case (.blank, _): throw .notAStore(path)
    case (.valid(let superblock), _): return (superblock, stride)
    case (.damaged, .valid(let superblock)): return (superblock, 0)
    case (.damaged, .refused(let error)): throw error
    case (.damaged, .blank): throw .corrupt("both copies of the superblock are damaged")
    case (.damaged(let looks), .damaged(let alsoLooks)):
      // Two damaged copies that agree on what they are say more than either checksum.
      if let looks, looks == alsoLooks { throw looks }
      throw .corrupt("both copies of the superblock are damaged")
    }
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, at offset: Int, path: String) -> Copy {
    guard offset + encodedBytes <= bytes.count else { return .damaged(looks: .notAStore(path)) }
    let block = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + encodedBytes])
    if unsafe block.allSatisfy({ $0 == 0 }) { return .blank }
    let source = block.baseAddress!
    let computed = unsafe Checksum.of(UnsafeRawBufferPointer(rebasing: block[..<checksumOffset]), seed: 0)
    let stored = unsafe source.littleEndian(UInt32.self, at: checksumOffset)
    let error = unsafe refusal(block, regionBytes: bytes.count, path: path)
    if let error {
      // A store of the other byte order has its checksum in that order too.
      let isGenuine = computed == stored || computed == stored.byteSwapped
      return isGenuine ? .refused(error) : .damaged(looks: error)
    }
    guard computed == stored || Mutant.acceptsSuperblockChecksum.isActive else { return .damaged(looks: nil) }
    do throws(StoreError) {
      return .valid(try unsafe fields(block))
    } catch {
      return .refused(error)
    }
  }

  /// Why this build cannot read the copy, if it cannot.
  private static func refusal(_ block: UnsafeRawBufferPointer, regionBytes: Int, path: String) -> StoreError? {
    let source = block.baseAddress!
    guard unsafe block.starts(with: magic) else { return .notAStore(path) }
    guard unsafe source.littleEndian(UInt32.self, at: 8) == byteOrderMark else {
      // Neither order: the mark itself is damaged, which the checksum says; or ``fields(_:)``, where it does not.
      return unsafe source.littleEndian(UInt32.self, at: 8) == byteOrderMark.byteSwapped ? .wrongByteOrder : nil
    }
    let found = unsafe source.littleEndian(UInt16.self, at: 12)
    guard found == version else { return .unsupportedVersion(found: found, supported: version) }
    let unknown = unsafe source.littleEndian(UInt64.self, at: 24) & ~frontiers
    guard unknown == 0 else { return .unsupportedFeatures(unknown) }
    let recorded = unsafe source.littleEndian(UInt64.self, at: 32)
    guard recorded == UInt64(regionBytes) else {
      return .sizeMismatch(recorded: recorded, found: UInt64(regionBytes))
    }
    return nil
  }

  /// The fields, each checked against what the region's size allows: a right checksum proves nothing about intent.
  private static func fields(_ block: UnsafeRawBufferPointer) throws(StoreError) -> Superblock {
    let source = block.baseAddress!
    guard unsafe source.littleEndian(UInt32.self, at: 8) == byteOrderMark else {
      throw .corrupt("the superblock's byte order mark is of no order")
    }
    // The medium's size: ``refusal(_:regionBytes:path:)`` compared them.
    let region = unsafe Int(source.littleEndian(UInt64.self, at: 32))
    let segment = unsafe Int(source.littleEndian(UInt32.self, at: 40))
    let geometry: Geometry
    do throws(StoreError) {
      geometry = try Geometry(regionBytes: region, segmentSize: segment)
    } catch {
      throw .corrupt("the superblock's segment size \(segment) does not fit its region")
    }
    guard unsafe source.littleEndian(UInt32.self, at: 44) == UInt32(geometry.segmentCount),
      unsafe source.littleEndian(UInt64.self, at: 48) == UInt64(geometry.firstSegment),
      unsafe source.littleEndian(UInt32.self, at: 56) == UInt32(geometry.metadataStride),
      unsafe source.littleEndian(UInt32.self, at: 60) == UInt32(geometry.extentAlignment),
      unsafe source.littleEndian(UInt32.self, at: 64) == UInt32(geometry.extentThreshold)
    else { throw .corrupt("the superblock's geometry contradicts itself") }
    return unsafe Superblock(
      geometry: geometry,
      compatibleFeatures: source.littleEndian(UInt64.self, at: 16),
      incompatibleFeatures: source.littleEndian(UInt64.self, at: 24),
      seed: source.littleEndian(UInt64.self, at: 72),
      identifier: (source.littleEndian(UInt64.self, at: 80), source.littleEndian(UInt64.self, at: 88)),
      created: source.littleEndian(UInt64.self, at: 96))
  }
}
