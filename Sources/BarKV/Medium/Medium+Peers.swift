import CBarKV

/// What a mapping asks for where another device, or another process, writes into the region: the recipes, each step with its
/// reason. `Docs/Peers.md` has them as a table.
///
/// | mapping | before the peer writes | reading what it wrote | making it durable |
/// |---|---|---|---|
/// | uncached, write-combining BAR | | past the copy in memory, between fences | barrier; drop the copy's pages |
/// | write-back BAR (forced) | evict | evict, fence, load | barrier; evict |
/// | DAX | | acquire | write back, fence |
/// | file | | acquire | mark the pages dirty, `msync` |
/// | memory of the process | | acquire | fence |
extension Medium {
  /// Whether a peer's word that it is done comes behind its data: where both end in the machine's own memory. On the way to a
  /// device's memory the data may be the slower one.
  var ordersPeerCompletion: Bool { !persistence.domain.isBehindBus }

  /// How many bytes are looked at together where they are copied out of the region to be read.
  private static var chunkBytes: Int { 64 << 10 }

  /// Makes a range ready for a peer, before anybody is told of it.
  func prepareForPeer(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    // A line of an earlier use that is still in a cache could be written back over what the peer writes.
    try evictForPeer(range, site: site)
  }

  /// The checksum of what a peer wrote, as the device has it now: one pass, nothing kept.
  func checksumOfPeerWrite(_ range: Range<Int>, seed: UInt32, site: MediumSite) throws(StoreError) -> UInt32 {
    try beginPeerRead(range, site: site)
    guard readsAroundCopy else {
      return unsafe Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[range]), seed: seed)
    }
    // Not from the copy in memory, which nobody has told of the peer's writes; and by streaming loads, between fences: a line
    // that an earlier one left in the processor's buffers may be older than the device's.
    let buffer = unsafe allocateLines(bytes: Self.chunkBytes)
    defer { unsafe buffer.deallocate() }
    var crc = seed
    var position = range.lowerBound
    while position < range.upperBound {
      let count = min(Self.chunkBytes, range.upperBound - position)
      // Whole lines: an extent starts on one, and the region ends on one.
      unsafe barkv_stream_load(buffer, target + position, roundUp(count, to: lineSize))
      crc = unsafe Checksum.of(UnsafeRawBufferPointer(start: buffer, count: count), seed: crc)
      position += count
    }
    return crc
  }

  /// Eight bytes of what a peer wrote, little-endian, as the device has them now.
  func wordOfPeerWrite(at offset: Int, site: MediumSite) throws(StoreError) -> UInt64 {
    precondition(offset >= 0 && offset <= length - 8, "a word outside the region")
    let lines = offset / lineSize * lineSize..<roundUp(offset + 8, to: lineSize)
    try beginPeerRead(lines, site: site)
    if readsAroundCopy {
      let buffer = unsafe allocateLines(bytes: 2 * lineSize)
      defer { unsafe buffer.deallocate() }
      unsafe barkv_stream_load(buffer, target + lines.lowerBound, lines.count)
      return unsafe UnsafeRawPointer(buffer).littleEndian(UInt64.self, at: offset - lines.lowerBound)
    }
    let word = unsafe UnsafeRawPointer(target).littleEndian(UInt64.self, at: offset)
    // The flag before what it is the flag of.
    barkv_full_fence()
    return word
  }

  /// Makes durable what a peer wrote, and visible to all who read the region. The peer is done.
  func acceptPeerWrite(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    let lines = range.lowerBound / lineSize * lineSize..<roundUp(range.upperBound, to: lineSize)
    // DAX: a device's writes may end in the processor's last-level cache, which a power cut empties.
    try flush(lines, site: site)
    // A file: a device that writes through pinned pages leaves no trace in the page tables, and `msync` skips clean pages.
    markDirty(lines)
    // A bus: the peer's writes were seen in the device, and are durable once the domain's read is answered. It is the barrier
    // before the record: a power cut must not leave a record whose value is not there.
    try barrier(lines, site: site)
    // What was loaded before it was there must not be read by anybody.
    try evictForPeer(lines, site: site)
    // After the last write of the peer's: a page that is filled from now on has all of it.
    if !Mutant.commitKeepsCopy.isActive { mirror?.drop(lines) }
  }

  /// The range's memory, for a peer that is a part of this process.
  @unsafe
  func memoryForPeer(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    precondition(isWritable && range.lowerBound >= 0 && range.upperBound <= length, "memory outside the region")
    return unsafe UnsafeMutableRawBufferPointer(start: target + range.lowerBound, count: range.count)
  }

  // MARK: Steps

  /// Whether the CPU reads the region from a copy, or through buffers that nobody tells of a peer's writes.
  private var readsAroundCopy: Bool {
    persistence.domain.isBehindBus && barrierRead?.evictsLine != true && !Mutant.commitReadsCopy.isActive
  }

  /// What comes before each look at what a peer wrote.
  private func beginPeerRead(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    if observer != nil { try notify(.peerRead(site: site, range: range)) }
    try evictForPeer(range, site: site)
    // Nothing that is looked at from here on was loaded before.
    barkv_full_fence()
  }

  /// Takes a range out of the processor's caches where these are outside the bus's coherency: a line that was loaded before
  /// the peer wrote it, were it only by the prefetcher, would be read again as it was.
  private func evictForPeer(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    guard barrierRead?.evictsLine == true, !Mutant.commitSkipsEviction.isActive else { return }
    if observer != nil { try notify(.evict(site: site, range: range)) }
    for offset in stride(from: range.lowerBound / lineSize * lineSize, to: range.upperBound, by: lineSize) {
      unsafe barkv_evict_line(target + offset)
    }
    barkv_full_fence()
  }

  /// Stores a byte of each page of a file again, so that the kernel knows that the page was written.
  private func markDirty(_ range: Range<Int>) {
    guard persistence.domain == .fileSync else { return }
    let page = 4096
    var offset = range.lowerBound
    while offset < range.upperBound {
      unsafe barkv_store_again(target + offset)
      offset = roundUp(offset + 1, to: page)
    }
  }
}
