import CBarKV
import CLibPMem

/// The mapped region with its persistence domain. Every byte that reaches the region passes through here: this is where
/// barriers are counted, where a recorder looks on, and where a device is found to be lost.
///
/// Nothing above this layer holds a pointer that it writes through. Reads go through ``bytes``.
///
/// The rules, which hold for every domain:
/// - what was stored is durable after the ``barrier(_:site:)`` that covers it, and not before;
/// - of what is stored between two barriers a crash may keep any part, in units of 8 bytes, in any order;
/// - a line (64 bytes) is written by one thread at a time.
@safe
final class Medium: @unchecked Sendable {
  // Safe to share: the fields never change after init, apart from the counters, which are atomic.

  /// Where the region is read: the mapping, or the mirror of one that is slow to read.
  private let base: UnsafeMutableRawPointer
  /// Where the region is written: the mapping.
  let target: UnsafeMutableRawPointer
  /// The region's size in bytes.
  let length: Int
  /// Whether the region may be written.
  let isWritable: Bool
  /// The domain, its level, and why.
  let persistence: Persistence
  let backing: Backing
  let observer: (any MediumObserver)?
  /// Shares barriers that take long and cover a range.
  private let group: GroupBarrier?
  /// Shares barriers that take about a microsecond and cover all.
  private let shared: SharedBarrier?
  /// Whether lines go past the cache.
  private let streams: Bool
  /// The read that ends a barrier, where one does.
  let barrierRead: BarrierRead?
  /// The first bytes of the region that are mapped uncached: they are written word by word.
  let uncachedBytes: Int
  /// What reads are answered from, where the mapping is slow to read.
  let mirror: Mirror?
  /// Whether writing takes more than one way of storing.
  private let isDivided: Bool
  /// Whether ``stream(_:key:value:at:)`` may be called.
  let streamsRecords: Bool
  /// Whether a fence is all of a barrier.
  private let isFencedOnly: Bool
  private let barriers = StripedCounter()
  #if BARKV_MUTANTS
    let held = HeldWrites()
  #endif
  /// What of the region was lost since it was mapped.
  let loss = MediumLoss()
  /// Whether the medium can vanish without a signal, as a device does whose reads then give ones.
  let canVanish: Bool
  /// The word that ``checkPresence()`` looks at.
  let presence = Presence()

  /// What is under the mapping.
  enum Backing {
    /// A file, mapped by libpmem or by mmap.
    case file(MappedFile)
    /// A PCI function's BAR.
    case bar(MappedBar)
    /// Memory of this process, for tests and simulated devices.
    case memory
    /// Memory that somebody else owns and frees.
    case borrowed(AnyObject)
  }

  init(
    base: UnsafeMutableRawPointer, length: Int, isWritable: Bool, persistence: Persistence, backing: Backing,
    sharesBarriers: Bool, observer: (any MediumObserver)?, canVanish: Bool = false, barrierRead: BarrierRead? = nil,
    uncachedBytes: Int = 0, mirror: Mirror? = nil
  ) {
    unsafe self.base = mirror?.memory ?? base
    unsafe target = base
    self.mirror = mirror
    self.length = length
    self.isWritable = isWritable
    self.persistence = persistence
    self.backing = backing
    self.observer = observer
    let isBehindBus = persistence.domain.isBehindBus
    group = sharesBarriers && !isBehindBus ? GroupBarrier() : nil
    shared = sharesBarriers && isBehindBus ? SharedBarrier() : nil
    self.canVanish = canVanish
    if canVanish { loss.watch() }
    streams = persistence.domain == .cacheFlush || persistence.domain.isBehindBus
    self.barrierRead = persistence.domain.isBehindBus ? barrierRead ?? BarrierRead() : nil
    self.uncachedBytes = uncachedBytes
    isDivided = uncachedBytes > 0 || mirror != nil
    streamsRecords = streams && !isDivided && observer == nil && barkv_can_stream_record() && !MediumFault.isPossible
    isFencedOnly = group == nil && observer == nil && self.barrierRead == nil
  }

  deinit {
    barriers.deallocate()
    loss.deallocate()
  }

  /// The region, for reading.
  @inline(__always)
  var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base, count: length)
  }

  /// How many barriers were made.
  var barrierCount: UInt64 { barriers.value }

  /// Unmaps the region and gives up its ownership. No use may follow.
  func unmap() {
    mirror?.close()
    switch backing {
    case .file(let file):
      unsafe MediumLoss.endGuard(target)
      unsafe file.close(mapping: target, length: length)
    case .bar(let bar):
      unsafe MediumLoss.endGuard(target)
      unsafe bar.close(mapping: target)
    case .memory:
      unsafe target.deallocate()
    case .borrowed:
      break
    }
  }

  // MARK: Writing

  /// Up to so many bytes are streamed in place; libpmem is better at more.
  private static var fewBytes: Int { 512 }

  /// Copies whole lines into the region. They are durable after the next ``barrier(_:site:)`` of the same thread that
  /// covers them.
  ///
  /// - Precondition: `source` and `offset` span whole lines inside the region.
  @inline(__always)
  func write(_ source: UnsafeRawBufferPointer, at offset: Int, site: MediumSite) throws(StoreError) {
    let count = source.count
    precondition(
      isWritable && offset >= 0 && (offset | count) % lineSize == 0 && count <= length &- offset,
      "a write outside the region, or of half a line")
    if unsafe isBroken(writing: source, at: offset, site: site) { return }
    try unsafe store(source, at: offset, site: site)
  }

  /// The second half of ``write(_:at:site:)``.
  @inline(__always)
  func store(_ source: UnsafeRawBufferPointer, at offset: Int, site: MediumSite) throws(StoreError) {
    if isDivided { return try unsafe storeDivided(source, at: offset, site: site) }
    guard let start = source.baseAddress else { return }
    let count = source.count
    if streams {
      if observer != nil {
        try notify(.streamingStore(site: site, offset: offset, bytes: unsafe Array(source)))
      }
      // Full lines past the cache: no read for ownership, and nothing left to flush before the fence.
      if count <= Self.fewBytes, barkv_can_stream() {
        unsafe barkv_stream_lines(base + offset, start, count)
      } else {
        unsafe _ = pmem_memcpy(
          base + offset, start, count, UInt32(PMEM_F_MEM_NONTEMPORAL | PMEM_F_MEM_NODRAIN))
      }
    } else {
      if observer != nil {
        try notify(.store(site: site, offset: offset, bytes: unsafe Array(source)))
      }
      unsafe (base + offset).copyMemory(from: start, byteCount: count)
    }
  }

  /// The same as ``write(_:at:site:)`` for a record whose parts stand apart: each line is put together on its way.
  ///
  /// - Precondition: ``streamsRecords``; the record's lines are inside the region.
  @unsafe
  @inline(__always)
  func stream(
    _ header: (head: UInt64, lengths: UInt32), key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
    at offset: Int
  ) {
    let count = roundUp(12 &+ key.count &+ value.count, to: lineSize)
    precondition(
      isWritable && streamsRecords && offset >= 0 && offset % lineSize == 0 && count <= length &- offset,
      "a record outside the region")
    unsafe barkv_stream_record(
      base + offset, header.head.littleEndian, header.lengths.littleEndian, key.baseAddress, key.count,
      value.baseAddress, value.count)
  }

  /// Orders what the calling thread wrote before whatever another thread's ``barrier(_:site:)`` covers later: for a range
  /// that is handed to another thread before it is durable.
  @inline(__always)
  func fence(site: MediumSite) throws(StoreError) {
    if MediumFault.dropFence.isActive(at: site) { return }
    if observer != nil { try notify(.fence(site: site)) }
    barkv_store_fence()
  }

  /// Makes durable what the calling thread wrote into `range`, and what others wrote there and fenced, at the level of ``persistence``.
  ///
  /// Where barriers are slow they are shared: one covers all that other threads wrote and are waiting for.
  ///
  /// - Throws: ``StoreError/outcomeUnknown(_:)`` when the medium refuses.
  @inline(__always)
  func barrier(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    assert(range.lowerBound >= 0 && range.upperBound <= length, "a barrier outside the region")
    if MediumFault.dropBarrier.isActive(at: site) { return try writeHeld() }
    // Counted before, since it is what follows the fence that the processor gets on with meanwhile.
    if isFencedOnly { barriers.add(1) }
    // Without it a power cut may keep the acknowledgement's consequences and lose this thread's streamed lines.
    try fence(site: site)
    let range = broken(barrier: range, site: site)
    if !isFencedOnly { try slowBarrier(range, site: site) }
    // Stores into a region that is gone went nowhere, without a sign.
    if !isWhole { try checkWrites(to: range) }
    try writeHeld()
  }

  @inline(never)
  private func slowBarrier(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    if let shared {
      return try shared.join { () throws(StoreError) in
        barriers.add(1)
        if observer != nil { try notify(.barrier(site: site, range: range)) }
        try readBack(site: site)
      }
    }
    guard let group else {
      barriers.add(1)
      try notify(.barrier(site: site, range: range))
      return try readBack(site: site)
    }
    try group.join(range) { (all) throws(StoreError) in
      barriers.add(1)
      try notify(.barrier(site: site, range: all))
      if persistence.domain == .fileSync {
        guard unsafe pmem_msync(base + all.lowerBound, all.count) == 0 else {
          throw .outcomeUnknown("msync: \(systemMessage(barkv_errno()))")
        }
        // What was cut off within a page can be stored to, and is dropped: next to an msync, asking costs nothing.
        do throws(StoreError) { try checkSize() } catch { throw .outcomeUnknown("the file was cut off") }
      }
    }
  }

  /// Writes back a range that this thread did not write itself, or wrote before it started: what recovery accepts.
  ///
  /// Follow it with a ``barrier(_:site:)`` of the same range.
  func flush(_ range: Range<Int>, site: MediumSite) throws(StoreError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= length, "a flush outside the region")
    guard persistence.domain == .cacheFlush else { return }
    let range = broken(flush: range, site: site)
    if observer != nil { try notify(.flush(site: site, range: range)) }
    unsafe pmem_flush(base + range.lowerBound, range.count)
  }

  /// Tells an observer that recovery loads from `range`: whatever recovery decides by has to be told, so that a test knows
  /// which lines make no difference.
  func note(load range: Range<Int>) {
    if let observer { observer.observe(load: range) }
  }

  @inline(never)
  func notify(_ event: MediumEvent) throws(StoreError) {
    try observer?.observe(event)
  }

  // MARK: Hints

  /// Whether ``prepare(_:)`` does anything here: not where there is no file, nor where touching a page for writing would
  /// cost a write to the device.
  var canPrepare: Bool {
    guard isWritable, case .file = backing else { return false }
    return persistence.domain != .fileSync
  }

  /// Maps the pages of `range` that are there, so that reading all of them costs one call and not a fault for each few.
  func prepareToRead(_ range: Range<Int>) {
    guard case .file = backing, !loss.isTotal, !range.isEmpty else { return }
    unsafe barkv_populate_for_reading(base + range.lowerBound, range.count)
  }

  /// Maps the pages of `range`, so that their first use costs nothing more.
  func prepare(_ range: Range<Int>) {
    guard canPrepare, !loss.isTotal else { return }
    unsafe barkv_populate(base + range.lowerBound, range.count)
  }
}
