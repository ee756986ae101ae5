import SystemPackage

/// What changes about the store as a whole: who owns it, whether it was closed, where its open segments end.
///
/// Two areas are written in turn, each with its checksum; the newer valid one wins. A commit is one barrier. Room for the
/// index's runs is kept behind the open segments.
struct Manifest: Sendable, Equatable {
  /// A segment that still takes records, and the number of its lines in use when the store was closed.
  struct OpenSegment: Sendable, Equatable {
    var segment: UInt32
    var lines: UInt32
  }

  /// Counts commits; its lowest bit chooses the area.
  var commit: UInt64 = 0
  /// How many times the store was opened for writing. It is the upper half of every generation.
  var ownerEpoch: UInt64 = 0
  /// The highest sequence number at the commit.
  var sequence: UInt64 = 0
  /// The process that made the commit, for people.
  var ownerProcess: Int32 = 0
  /// Whether the owner closed the store with this commit: then everything in the log is durable, and the open segments
  /// end where ``openSegments`` says.
  var isClosed = false
  /// The segments that still take records; meaningful when closed.
  var openSegments: [OpenSegment] = []

  private static let magic: UInt32 = 0x4D56_4B42  // "BKVM"
  private static let headerBytes = 64
  private static let entryBytes = 8
  /// Commits and sequence numbers stay below. Nothing counts up to it; room beyond it keeps sums from overflowing.
  static let countLimit: UInt64 = 1 << 62

  /// How many open segments an area can name.
  static func capacity(_ geometry: Geometry) -> Int {
    (geometry.metadataStride - headerBytes) / entryBytes
  }

  /// The area's bytes, whole lines.
  func encoded(seed: UInt64) -> [UInt8] {
    let count = Self.headerBytes + openSegments.count * Self.entryBytes
    var bytes = [UInt8](repeating: 0, count: roundUp(count, to: lineSize))
    unsafe bytes.withUnsafeMutableBytes { buffer in
      let target = buffer.baseAddress!
      unsafe target.setLittleEndian(Self.magic, at: 0)
      unsafe target.setLittleEndian(UInt32(count), at: 8)
      unsafe target.setLittleEndian(UInt32(isClosed ? 1 : 0), at: 12)
      unsafe target.setLittleEndian(commit, at: 16)
      unsafe target.setLittleEndian(ownerEpoch, at: 24)
      unsafe target.setLittleEndian(sequence, at: 32)
      unsafe target.setLittleEndian(ownerProcess, at: 40)
      unsafe target.setLittleEndian(UInt32(openSegments.count), at: 44)
      for (index, entry) in openSegments.enumerated() {
        unsafe target.setLittleEndian(entry.segment, at: Self.headerBytes + index * Self.entryBytes)
        unsafe target.setLittleEndian(entry.lines, at: Self.headerBytes + index * Self.entryBytes + 4)
      }
      let checksum = unsafe Self.checksum(UnsafeRawBufferPointer(rebasing: buffer[..<count]), seed: seed)
      unsafe target.setLittleEndian(checksum, at: 4)
    }
    return bytes
  }

  private static func checksum(_ area: UnsafeRawBufferPointer, seed: UInt64) -> UInt32 {
    let salt = Checksum.of(words: [seed], seed: magic)
    return unsafe Checksum.of(UnsafeRawBufferPointer(rebasing: area[8...]), seed: salt)
  }

  /// The manifest in the area at `offset`, or `nil` where there is no valid one.
  static func decode(_ region: UnsafeRawBufferPointer, at offset: Int, superblock: Superblock) -> Manifest? {
    let area = unsafe UnsafeRawBufferPointer(
      rebasing: region[offset..<offset + superblock.geometry.metadataStride])
    let source = area.baseAddress!
    guard unsafe source.littleEndian(UInt32.self, at: 0) == magic else { return nil }
    let count = unsafe Int(source.littleEndian(UInt32.self, at: 8))
    let entries = unsafe Int(source.littleEndian(UInt32.self, at: 44))
    guard entries <= capacity(superblock.geometry), count == headerBytes + entries * entryBytes,
      unsafe Mutant.acceptsManifestChecksum.isActive
        || checksum(UnsafeRawBufferPointer(rebasing: area[..<count]), seed: superblock.seed)
          == source.littleEndian(UInt32.self, at: 4),
      // A right checksum proves nothing about intent: the owner epoch is half of a generation, and counts have an end.
      unsafe source.littleEndian(UInt64.self, at: 16) < countLimit,
      unsafe source.littleEndian(UInt64.self, at: 24) <= UInt64(UInt32.max),
      unsafe source.littleEndian(UInt64.self, at: 32) < countLimit
    else { return nil }
    var manifest = unsafe Manifest(
      commit: source.littleEndian(UInt64.self, at: 16),
      ownerEpoch: source.littleEndian(UInt64.self, at: 24),
      sequence: source.littleEndian(UInt64.self, at: 32),
      ownerProcess: source.littleEndian(Int32.self, at: 40),
      isClosed: source.littleEndian(UInt32.self, at: 12) & 1 == 1)
    for index in 0..<entries {
      let entry = headerBytes + index * entryBytes
      unsafe manifest.openSegments.append(
        OpenSegment(
          segment: source.littleEndian(UInt32.self, at: entry), lines: source.littleEndian(UInt32.self, at: entry + 4)))
    }
    return manifest
  }

  /// The newer valid manifest, and the areas that hold none.
  static func read(
    from region: UnsafeRawBufferPointer, superblock: Superblock
  ) -> (manifest: Manifest?, invalidAreas: [Int]) {
    var newest: Manifest?
    var invalid: [Int] = []
    for area in 0..<2 {
      if let found = unsafe decode(region, at: superblock.geometry.manifestOffset(area), superblock: superblock) {
        if newest.map({ ($0.commit < found.commit) != Mutant.olderManifest.isActive }) ?? true { newest = found }
      } else {
        invalid.append(area)
      }
    }
    return (newest, invalid)
  }

  /// Writes this manifest as the newest: the area of the older one is overwritten, so that a torn commit leaves the
  /// newer one in force.
  func write(to medium: Medium, superblock: Superblock, site: MediumSite) throws(StoreError) {
    let area = Int(Mutant.manifestOverNewest.isActive ? ~commit & 1 : commit & 1)
    let offset = superblock.geometry.manifestOffset(area)
    let bytes = encoded(seed: superblock.seed)
    try unsafe bytes.span.bytes.withUnsafeBytes { (buffer) throws(StoreError) in
      try unsafe medium.write(buffer, at: offset, site: site)
    }
    try medium.barrier(offset..<offset + bytes.count, site: site)
  }

  /// The process named by the newest manifest of a file that somebody else has locked: a name for an error message, so
  /// that no checksum is asked for.
  static func owner(ofFileAt path: String) -> Int32? {
    guard let descriptor = try? FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
    else { return nil }
    defer { try? descriptor.close() }
    guard let size = try? descriptor.seek(offset: 0, from: .end) else { return nil }
    let stride = Geometry.metadataStride(regionBytes: Int(size))
    var newest: (commit: UInt64, owner: Int32)?
    for area in 2..<4 {
      var header = [UInt8](repeating: 0, count: headerBytes)
      let count = unsafe header.withUnsafeMutableBytes { buffer in
        unsafe (try? descriptor.read(fromAbsoluteOffset: Int64(area * stride), into: buffer)) ?? 0
      }
      guard count == headerBytes else { continue }
      unsafe header.withUnsafeBytes { buffer in
        let source = buffer.baseAddress!
        guard unsafe source.littleEndian(UInt32.self, at: 0) == magic else { return }
        let commit = unsafe source.littleEndian(UInt64.self, at: 16)
        if newest.map({ $0.commit < commit }) ?? true {
          newest = unsafe (commit, source.littleEndian(Int32.self, at: 40))
        }
      }
    }
    return newest?.owner
  }
}
