/// One moment of a store, at which no write was half done: what of the region belongs to it, and the manifest with which it
/// opens as a store that was closed.
///
/// The log only grows and runs never change, so what is named here stays as it is until a segment is set free; and none is
/// as long as the caller's read goes on.
struct BackupCut {
  /// Where the segment goes on, which the manifest has no room to name as open.
  private struct End {
    var offset: Int
    var salt: UInt32
  }

  private let store: Store
  private var manifest: Manifest
  private var ranges: [Range<Int>] = []
  private var ends: [End] = []
  private let keyCount: Int

  /// Makes the cut. The caller is inside a read, which began before.
  init(_ store: Store) throws(StoreError) {
    self.store = store
    let log = store.log
    // Which extents live is known only then.
    let isResolved = store.loader.resolveTail()
    manifest = Manifest(commit: 1, ownerEpoch: log.ownerEpoch, ownerProcess: processIdentifier(), isClosed: true)
    let cut = try store.poisoning { () throws(StoreError) in
      try store.maintenance.turn.withLock { (state) throws(StoreError) in
        try store.lifecycle.check()
        var locked = 0
        defer { for lane in 0..<locked { log.release(lane) } }
        for lane in log.allLanes {
          log.lock(lane).lock()
          locked += 1
        }
        let open =
          try log.openSegmentsOfLanes()
          + log.space.partials.map {
            Manifest.OpenSegment(segment: UInt32($0.segment), lines: UInt32($0.usedLines))
          }
        let checkpoint = state.manifest == nil ? state.foundCheckpoint : state.manifest?.checkpoint
        let leaving = Set(state.leaving.map(\.segment))
        let ranges = Self.ranges(log, checkpoint, leaving: leaving, isResolved: isResolved)
        return (open, checkpoint, ranges, log.keyCount, log.sequence)
      }
    }
    manifest.checkpoint = cut.1
    manifest.sequence = cut.4
    keyCount = cut.3
    ranges = cut.2
    let capacity = Manifest.capacity(log.geometry)
    manifest.openSegments = Array(cut.0.prefix(capacity))
    for open in cut.0.dropFirst(capacity) {
      let segment = Int(open.segment)
      ends.append(
        End(
          offset: log.geometry.segmentOffset(segment) + Int(open.lines) * lineSize,
          salt: unsafe log.segments[segment].pointee.salt))
    }
  }

  /// What is in use of each segment.
  private static func ranges(
    _ log: Log, _ checkpoint: Checkpoint?, leaving: Set<Int>, isResolved: Bool
  ) -> [Range<Int>] {
    let geometry = log.geometry
    let runs = Set(checkpoint?.runs.map(\.generation) ?? [])
    var ranges: [Range<Int>] = []
    for segment in 0..<geometry.segmentCount where !leaving.contains(segment) {
      let used = log.segments.used(segment)
      let belongs: Bool =
        switch log.segments.kind(segment) {
        case .free: false
        case .log: true
        case .runs: unsafe runs.contains(log.segments[segment].pointee.generation)
        case .extents:
          // One that was just opened may have a header that is half written; nothing refers to it yet.
          checkpoint?.segments[segment].kind == .extents || !isResolved
            || used - geometry.extentStart / lineSize > log.segments.dead(segment)
        }
      guard belongs else { continue }
      let start = geometry.segmentOffset(segment)
      ranges.append(start..<start + used * lineSize)
    }
    return ranges
  }

  // MARK: Writing

  private static var chunkBytes: Int { 1 << 20 }

  /// Writes the image to a new file at `path`. It is not durable yet.
  func write(
    to path: String, progress: ((_ doneBytes: UInt64, _ totalBytes: UInt64) -> Void)?
  ) throws(StoreError) -> BackupReport {
    let superblock = store.superblock
    let geometry = superblock.geometry
    // All of it is made durable in one go, at the end: until then the file does not count.
    var options = StoreOptions()
    options.domain = .processOnly
    let target = try Medium.createFile(path: path, size: geometry.regionBytes, replacing: true, options: options)
    defer { target.unmap() }
    let total = ranges.reduce(0) { $0 + $1.count }
    var done = 0
    for range in ranges {
      var position = range.lowerBound
      while position < range.upperBound {
        let end = min(position + Self.chunkBytes, range.upperBound)
        try store.lifecycle.check()
        let source = unsafe UnsafeRawBufferPointer(rebasing: store.medium.bytes[position..<end])
        try unsafe target.write(source, at: position, site: .copy)
        // Poisoned memory is read as something else.
        if !store.medium.isWhole { try store.checkReads(of: position..<end) }
        done += end - position
        position = end
        progress?(UInt64(done), UInt64(total))
      }
    }
    for end in ends { try writeSeal(end, to: target) }
    // Both areas, as every store has them.
    var manifest = manifest
    for _ in 0..<2 {
      try manifest.write(to: target, superblock: superblock, site: .creatingManifest)
      manifest.commit += 1
    }
    let encoded = superblock.encoded()
    for copy in [1, 0] {
      try unsafe encoded.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
        try unsafe target.write(bytes, at: geometry.superblockOffset(copy), site: .superblock)
      }
    }
    try target.fence(site: .superblock)
    return BackupReport(
      keyCount: keyCount, regionBytes: UInt64(geometry.regionBytes), copiedBytes: UInt64(total),
      sequence: manifest.sequence)
  }

  private func writeSeal(_ end: End, to target: Medium) throws(StoreError) {
    let line = Record.settledSeal(salt: end.salt)
    try unsafe line.span.bytes.withUnsafeBytes { (line) throws(StoreError) in
      try unsafe target.write(line, at: end.offset, site: .seal)
    }
  }
}
