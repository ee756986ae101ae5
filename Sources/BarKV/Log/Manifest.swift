import SystemPackage

/// What changes about the store as a whole: who owns it, whether it was closed, where its open segments end, and the
/// newest checkpoint with the index's runs.
///
/// Two areas are written in turn, each with its checksum; the newer valid one wins. A commit is one barrier.
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
  /// Where the log's tail begins, and the index of everything before it; `nil` before the first checkpoint.
  var checkpoint: Checkpoint?

  private static let magic: UInt32 = 0x4D56_4B42  // "BKVM"
  private static let headerBytes = 128
  private static let entryBytes = 8
  /// Commits and sequence numbers stay below. Nothing counts up to it; room beyond it keeps sums from overflowing.
  static let countLimit: UInt64 = 1 << 62

  /// How many open segments a manifest can name.
  static func capacity(segmentCount: Int) -> Int { min(segmentCount, 136) }
  static func capacity(_ geometry: Geometry) -> Int { capacity(segmentCount: geometry.segmentCount) }

  /// How many runs a manifest can name: the base of a region full of the shortest records takes an eighth of its segments,
  /// with four runs or more in each.
  static func runCapacity(segmentCount: Int) -> Int { segmentCount + min(96, segmentCount / 2 + 4) }

  /// The bytes of the longest manifest of a region with so many segments.
  static func longest(segmentCount: Int) -> Int {
    headerBytes + entryBytes * (2 * capacity(segmentCount: segmentCount) + segmentCount)
      + RunReference.encodedBytes * runCapacity(segmentCount: segmentCount)
      + ReservationReference.encodedBytes * ReservationTable.limit(segmentCount: segmentCount)
  }

  /// The area's bytes, whole lines.
  func encoded(seed: UInt64) -> [UInt8] {
    let open = openSegments + (checkpoint?.open ?? [])
    let segments = checkpoint?.segments ?? []
    let runs = checkpoint?.runs ?? []
    let reservations = checkpoint?.reservations ?? []
    let count =
      Self.headerBytes + (open.count + segments.count) * Self.entryBytes + runs.count * RunReference.encodedBytes
      + reservations.count * ReservationReference.encodedBytes
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
      if let checkpoint {
        unsafe target.setLittleEndian(checkpoint.generation, at: 48)
        unsafe target.setLittleEndian(checkpoint.sequence, at: 56)
        unsafe target.setLittleEndian(UInt64(checkpoint.keys), at: 64)
        unsafe target.setLittleEndian(UInt64(checkpoint.liveLines), at: 72)
        unsafe target.setLittleEndian(checkpoint.runNumber, at: 80)
        unsafe target.setLittleEndian(UInt32(checkpoint.open.count), at: 88)
        unsafe target.setLittleEndian(UInt32(segments.count), at: 92)
        unsafe target.setLittleEndian(UInt32(runs.count), at: 96)
        unsafe target.setLittleEndian(UInt32(reservations.count), at: 100)
      }
      var position = Self.headerBytes
      for entry in open {
        unsafe target.setLittleEndian(entry.segment, at: position)
        unsafe target.setLittleEndian(entry.lines, at: position + 4)
        position += Self.entryBytes
      }
      for use in segments {
        unsafe target.setLittleEndian(use.word, at: position)
        position += Self.entryBytes
      }
      for run in runs {
        unsafe target.setLittleEndian(run.offset, at: position)
        unsafe target.setLittleEndian(run.generation, at: position + 8)
        position += RunReference.encodedBytes
      }
      for reservation in reservations {
        unsafe target.setLittleEndian(reservation.offset, at: position)
        unsafe target.setLittleEndian(reservation.generation, at: position + 8)
        position += ReservationReference.encodedBytes
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
    let geometry = superblock.geometry
    let area = unsafe UnsafeRawBufferPointer(rebasing: region[offset..<offset + geometry.manifestStride])
    let source = area.baseAddress!
    guard unsafe source.littleEndian(UInt32.self, at: 0) == magic else { return nil }
    let count = unsafe Int(source.littleEndian(UInt32.self, at: 8))
    let closed = unsafe Int(source.littleEndian(UInt32.self, at: 44))
    let open = unsafe Int(source.littleEndian(UInt32.self, at: 88))
    let segments = unsafe Int(source.littleEndian(UInt32.self, at: 92))
    let runs = unsafe Int(source.littleEndian(UInt32.self, at: 96))
    let reservations = unsafe Int(source.littleEndian(UInt32.self, at: 100))
    let generation = unsafe source.littleEndian(UInt64.self, at: 48)
    guard closed <= capacity(geometry), open <= capacity(geometry),
      generation == 0
        ? segments == 0 && open == 0 && runs == 0 && reservations == 0 : segments == geometry.segmentCount,
      runs <= runCapacity(segmentCount: geometry.segmentCount),
      reservations <= ReservationTable.limit(segmentCount: geometry.segmentCount),
      count == headerBytes + (closed + open + segments) * entryBytes + runs * RunReference.encodedBytes
        + reservations * ReservationReference.encodedBytes,
      count <= area.count,
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
    var position = headerBytes
    func openSegment() -> OpenSegment {
      defer { position += entryBytes }
      return unsafe OpenSegment(
        segment: source.littleEndian(UInt32.self, at: position),
        lines: source.littleEndian(UInt32.self, at: position + 4))
    }
    manifest.openSegments = (0..<closed).map { _ in openSegment() }
    guard generation != 0 else { return manifest }
    var checkpoint = unsafe Checkpoint(
      generation: generation, sequence: source.littleEndian(UInt64.self, at: 56),
      keys: Int(truncatingIfNeeded: source.littleEndian(UInt64.self, at: 64)),
      liveLines: Int(truncatingIfNeeded: source.littleEndian(UInt64.self, at: 72)),
      runNumber: source.littleEndian(UInt64.self, at: 80))
    checkpoint.open = (0..<open).map { _ in openSegment() }
    checkpoint.segments = (0..<segments).map { _ in
      defer { position += entryBytes }
      return unsafe SegmentUse(word: source.littleEndian(UInt64.self, at: position))
    }
    checkpoint.runs = (0..<runs).map { _ in
      defer { position += RunReference.encodedBytes }
      return unsafe RunReference(
        offset: source.littleEndian(UInt64.self, at: position),
        generation: source.littleEndian(UInt64.self, at: position + 8))
    }
    checkpoint.reservations = (0..<reservations).map { _ in
      defer { position += ReservationReference.encodedBytes }
      return unsafe ReservationReference(
        offset: source.littleEndian(UInt64.self, at: position),
        generation: source.littleEndian(UInt64.self, at: position + 8))
    }
    guard checkpoint.isSensible(geometry) else { return nil }
    manifest.checkpoint = checkpoint
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
    var word = [UInt8](repeating: 0, count: 4)
    _ = unsafe word.withUnsafeMutableBytes { unsafe try? descriptor.read(fromAbsoluteOffset: 40, into: $0) }
    let segmentSize = word.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard let geometry = try? Geometry(regionBytes: Int(size), segmentSize: segmentSize) else { return nil }
    var newest: (commit: UInt64, owner: Int32)?
    for area in 0..<2 {
      var header = [UInt8](repeating: 0, count: headerBytes)
      let count = unsafe header.withUnsafeMutableBytes { buffer in
        unsafe (try? descriptor.read(fromAbsoluteOffset: Int64(geometry.manifestOffset(area)), into: buffer)) ?? 0
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
