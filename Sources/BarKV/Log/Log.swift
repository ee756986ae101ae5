import CBarKV
import Synchronization

/// The log: lanes that append records to segments of their own.
///
/// A record becomes durable with the barrier that follows it (``settle(_:)``), and means nothing before. There is no tail
/// pointer: a record proves itself by its checksum, which starts from a salt that only this use of this segment has.
@safe
final class Log: @unchecked Sendable {
  // Safe to share: a lane is touched by the thread that holds its lock; the rest is atomic, or never changes.

  let medium: Medium
  let superblock: Superblock
  let geometry: Geometry
  let space: Space
  let segments: SegmentTable
  /// The reservations that are open.
  let reservations: ReservationTable
  /// Works ahead of the lanes.
  let preparer: SegmentPreparer
  private let preparesAhead: Bool
  /// The lanes that writers take.
  let laneCount: Int
  /// The lane of maintenance: runs, and copies of what is young. What lasts is kept apart from what is new.
  var maintenanceLane: Int { laneCount }
  /// The lanes of copies, by how long what is copied has lasted.
  func copyLane(_ age: CopyAge) -> Int { age == .young ? maintenanceLane : tombstoneLane + age.rawValue }
  /// The lane of tombstones where space is short: nothing else goes there, so a checkpoint gives all of its segments back.
  var tombstoneLane: Int { laneCount + 1 }
  /// The lane of extents' copies. Tombstones have no extents of their own.
  var extentCopyLane: Int { tombstoneLane }
  /// All of them.
  var allLanes: Range<Int> { 0..<Self.allLanes(laneCount) }
  /// How many lanes there are where writers have `laneCount`.
  static func allLanes(_ laneCount: Int) -> Int { laneCount + 1 + CopyAge.allCases.count }
  /// Each starts a pair of lines: its neighbour is another thread's.
  private let lanes: UnsafeMutableRawPointer
  private static var laneStride: Int { roundUp(MemoryLayout<Lane>.stride, to: cachePairSize) }
  private let locks: UnsafeMutablePointer<Atomic<UInt32>>
  /// A lock word has a line of its own.
  private static var lockStride: Int { lineSize / 4 }

  private let lastSequence: PaddedCounter
  /// The sequence number given out last.
  @inline(__always)
  var sequence: UInt64 { UInt64(bitPattern: Int64(lastSequence.value)) }
  /// The generation given out last: the owner epoch above, a counter below.
  private let generation: Atomic<UInt64>

  /// How many times the store was opened for writing, this time included.
  let ownerEpoch: UInt64

  /// The keys and live lines at the checkpoint that recovery went on from, and what resolving the tail added.
  let earlierKeys = Atomic<Int>(0)
  /// The records of the tail that recovery found: as many keys there may be beyond those that are counted, until all of
  /// them are resolved.
  let unresolvedKeys = Atomic<Int>(0)
  let earlierLiveLines = Atomic<Int>(0)
  /// The bytes of records since the last cut, those that lanes have not reported yet left out.
  let tailBytes = PaddedCounter(0)
  /// Called when a lane opens a segment: by then maintenance may have something to do.
  let segmentWasTaken = Hook()
  /// Whether puts of keys that were written a short time ago go to lanes of their own: see ``RecentKeys``.
  let separatesRecent = Atomic<Bool>(false)
  let recentKeys = RecentKeys()
  /// How many bytes a lane writes before it reports them.
  let reportBytes: Int

  init(
    medium: Medium, superblock: Superblock, space: Space, segments: SegmentTable, options: StoreOptions,
    sequence: UInt64, ownerEpoch: UInt64
  ) {
    self.medium = medium
    self.superblock = superblock
    self.geometry = superblock.geometry
    self.space = space
    self.segments = segments
    reservations = ReservationTable(geometry: superblock.geometry)
    preparesAhead = !options.mapsWholeRegion
    preparer = SegmentPreparer(medium: medium, space: space, geometry: superblock.geometry)
    lastSequence = PaddedCounter(Int(Int64(bitPattern: sequence)))
    self.generation = Atomic(ownerEpoch << 32)
    self.ownerEpoch = ownerEpoch
    laneCount = superblock.geometry.laneCount(
      maximum: min(options.maximumLanes, Manifest.capacity(superblock.geometry)))
    reportBytes = max(lineSize, min(64 << 10, superblock.geometry.segmentSize / 4))
    let all = Self.allLanes(laneCount)
    unsafe lanes = .allocate(byteCount: all * Self.laneStride, alignment: cachePairSize)
    unsafe locks = allocateLines(bytes: all * lineSize).bindMemory(
      to: Atomic<UInt32>.self, capacity: all * Self.lockStride)
    let scratch =
      lineSize
      + roundUp(
        Record.headerBytes + geometry.maximumKeyLength
          + max(Record.maximumInlineValue, ExtentReference.encodedBytes, BatchFragment.encodedBytes), to: lineSize)
    for lane in 0..<all {
      unsafe (lanes + lane * Self.laneStride).bindMemory(to: Lane.self, capacity: 1).initialize(
        to: Lane(scratchBytes: scratch))
      unsafe (locks + lane * Self.lockStride).initialize(to: Atomic(0))
    }
  }

  deinit {
    for lane in allLanes { unsafe self[lane].deinitialize(count: 1) }
    unsafe lanes.deallocate()
    lastSequence.deallocate()
    tailBytes.deallocate()
    recentKeys.deallocate()
    unsafe locks.deallocate()
    segments.deallocate()
  }

  // MARK: Lanes

  @inline(__always)
  func lock(_ lane: Int) -> WriterLock {
    assert(allLanes.contains(lane))
    return unsafe WriterLock(locks + lane &* Self.lockStride)
  }

  /// The lane, whose lock the caller holds.
  @inline(__always)
  subscript(lane: Int) -> UnsafeMutablePointer<Lane> {
    assert(allLanes.contains(lane))
    return unsafe (lanes + lane &* Self.laneStride).assumingMemoryBound(to: Lane.self)
  }

  /// Takes a free lane, the one `offset` away from the calling thread's usual one if it is free. Give it back by
  /// ``release(_:)``.
  @inline(__always)
  func acquireLane(offset: Int = 0) -> Int {
    let slot = Int(barkv_thread_slot()) &+ offset
    let usual = slot < laneCount ? slot : slot % laneCount
    if lock(usual).tryLock() { return usual }
    return acquireAnotherLane(usual)
  }

  @inline(never)
  private func acquireAnotherLane(_ usual: Int) -> Int {
    for step in 1..<max(laneCount, 2) {
      let lane = (usual + step) % laneCount
      if lock(lane).tryLock() { return lane }
    }
    lock(usual).lock()
    return usual
  }

  /// Gives back a lane.
  @inline(__always)
  func release(_ lane: Int) {
    if unsafe !self[lane].pointee.isSettled { fenceUnsettled() }
    lock(lane).unlock()
  }

  /// A write that was refused may leave a header or a seal in flight. The next one in the lane may be another thread's, whose
  /// barrier covers what this one has fenced.
  @inline(never)
  private func fenceUnsettled() {
    // Where the medium fails, that barrier does too.
    try? medium.fence(site: .refusedWrite)
  }

  // MARK: Appending: the caller holds the lane

  /// Takes `count` sequence numbers and gives the first.
  @inline(__always)
  func takeSequence(_ count: UInt64 = 1) -> UInt64 {
    UInt64(bitPattern: Int64(lastSequence.add(Int(Int64(bitPattern: count))))) &- count &+ 1
  }

  /// Whether the lane's open segment takes `bytes` more bytes of records; numbers from `count` operations on included.
  @inline(__always)
  func hasRoom(_ lane: Int, bytes: Int) -> Bool {
    // The sequence may run on in other lanes meanwhile; a margin of 2^31 is never used up in between.
    unsafe self[lane].pointee.room >= bytes
      && sequence &- self[lane].pointee.baseSequence < UInt64(1) << 31
  }

  /// Appends a record of `key` and `value`, either of which may be empty, to the lane's open segment, which has room for it.
  ///
  /// - Returns: the record's offset in the region. It is durable after ``settle(_:)``.
  @unsafe
  @inline(__always)
  func append(
    _ lane: Int, kind: RecordKind, sequence: UInt64, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
    site: MediumSite = .record
  ) throws(StoreError) -> Int {
    let state = unsafe self[lane]
    let delta = unsafe UInt32(truncatingIfNeeded: sequence &- state.pointee.baseSequence)
    let isSettled = unsafe claimsSettled(state, isFirst: true)
    let bytes = Record.lines(keyLength: key.count, valueLength: value.count) &* lineSize
    if medium.streamsRecords {
      let header = unsafe Record.headerWords(
        delta: delta, key: key, value: value, kind: kind, isSettled: isSettled, salt: state.pointee.salt)
      try unsafe reach(state, bytes: bytes, isSeal: kind == .seal)
      return unsafe advance(state, bytes: bytes, isSeal: kind == .seal) { position in
        unsafe medium.stream(header, key: key, value: value, at: position)
      }
    }
    unsafe Record.build(
      state.pointee.scratch, delta: delta, key: key, value: value, kind: kind, isSettled: isSettled,
      salt: state.pointee.salt)
    return try unsafe write(state, bytes: bytes, isSeal: kind == .seal, site: site)
  }

  /// Whether the next record says that all before it was durable.
  ///
  /// - Parameter isFirst: whether nothing waits in the lane's buffer to be written before it.
  @unsafe
  @inline(__always)
  func claimsSettled(_ state: UnsafeMutablePointer<Lane>, isFirst: Bool) -> Bool {
    unsafe ((isFirst && state.pointee.isSettled) || Mutant.alwaysSettled.isActive) && !Mutant.neverSettled.isActive
  }

  /// Writes the records in the lane's buffer where the lane's next ones go; their offset. A seal has a line kept for it.
  @unsafe
  @inline(__always)
  @discardableResult
  func write(
    _ state: UnsafeMutablePointer<Lane>, bytes: Int, isSeal: Bool = false, site: MediumSite
  ) throws(StoreError) -> Int {
    try unsafe reach(state, bytes: bytes, isSeal: isSeal)
    return try unsafe advance(state, bytes: bytes, isSeal: isSeal) { (position) throws(StoreError) in
      try unsafe medium.write(
        UnsafeRawBufferPointer(start: state.pointee.scratch, count: bytes), at: position, site: site)
    }
  }

  /// Sees to it that the segment's frontier lies behind the next `bytes` bytes of records.
  @unsafe
  @inline(__always)
  func reach(_ state: UnsafeMutablePointer<Lane>, bytes: Int, isSeal: Bool = false) throws(StoreError) {
    if unsafe bytes > state.pointee.frontier &- state.pointee.position {
      // A seal in the last line stands in the word's place.
      if unsafe isSeal && state.pointee.position == state.pointee.limit { return }
      try unsafe moveFrontier(state, bytes: bytes)
    }
  }

  /// Has `store` write `bytes` bytes where the lane's next records go, which is what it is called with and what is returned,
  /// and moves the lane's end on.
  @unsafe
  @inline(__always)
  func advance<E: Error>(
    _ state: UnsafeMutablePointer<Lane>, bytes: Int, isSeal: Bool = false, _ store: (Int) throws(E) -> Void
  ) throws(E) -> Int {
    let position = unsafe state.pointee.position
    unsafe precondition(bytes <= state.pointee.frontier &- position || isSeal, "an append without room")
    try store(position)
    unsafe state.pointee.position = position &+ bytes
    unsafe state.pointee.soil(position..<position &+ bytes)
    unsafe state.pointee.unreported &+= bytes
    return position
  }

  /// Notes that the index names a line no more, for the next run. The caller holds the lane, and the partition.
  @inline(__always)
  func note(_ lane: Int, _ place: Index.Place, gone line: Int) {
    unsafe self[lane].pointee.changes.append(RunEntry(place, line: line, isGone: true))
    report(lane)
  }

  /// Notes that the index names a line, for the next run. The caller holds the lane, and the partition.
  @inline(__always)
  func note(_ lane: Int, _ place: Index.Place, came line: Int) {
    unsafe self[lane].pointee.changes.append(RunEntry(place, line: line, isGone: false))
    report(lane)
  }

  /// Adds what the lane has written to the tail's length, now and then.
  @inline(__always)
  private func report(_ lane: Int) {
    let state = unsafe self[lane]
    if unsafe state.pointee.unreported >= reportBytes {
      unsafe tailBytes.add(state.pointee.unreported)
      unsafe state.pointee.unreported = 0
    }
  }

  /// How many keys are present, as far as the tail is resolved.
  var keyCount: Int {
    allLanes.reduce(earlierKeys.load(ordering: .relaxed)) {
      unsafe $0 + self[$1].pointee.keys.load(ordering: .relaxed)
    }
  }

  /// The lines of all records and extents that the index names, as far as the tail is resolved.
  var liveLines: Int {
    allLanes.reduce(earlierLiveLines.load(ordering: .relaxed)) {
      unsafe $0 + self[$1].pointee.liveLines.load(ordering: .relaxed)
    }
  }

  /// Makes durable what the lane wrote: one barrier, or a share of one.
  @inline(__always)
  func settle(_ lane: Int, site: MediumSite = .record) throws(StoreError) {
    let state = unsafe self[lane]
    try unsafe medium.barrier(state.pointee.dirty, site: site)
    unsafe state.pointee.isSettled = true
    unsafe segments.setUsed(
      (state.pointee.position &- state.pointee.start) >> lineSize.trailingZeroBitCount, segment: state.pointee.segment)
  }

  // MARK: Segments

  /// Ends the lane's open segment, if it has one, by a seal. The seal is durable with the next barrier.
  func sealSegment(_ lane: Int) throws(StoreError) {
    let state = unsafe self[lane]
    guard unsafe state.pointee.segment >= 0 else { return }
    let segment = unsafe state.pointee.segment
    let end = unsafe (state.pointee.position - state.pointee.start) / lineSize
    _ = try unsafe append(
      lane, kind: .seal, sequence: state.pointee.baseSequence, key: UnsafeRawBufferPointer(start: nil, count: 0),
      value: UnsafeRawBufferPointer(start: nil, count: 0), site: .seal)
    // What is left of it, the seal's line among it, is of no use to anybody.
    segments.addDead(geometry.segmentSize / lineSize - end, segment: segment)
    segments.setUsed(geometry.segmentSize / lineSize, segment: segment)
    unsafe state.pointee.segment = -1
    unsafe state.pointee.position = 0
    unsafe state.pointee.frontier = 0
    unsafe state.pointee.limit = 0
  }

  /// A generation that was never given out before.
  func takeGeneration() -> UInt64 {
    generation.wrappingAdd(1, ordering: .relaxed).newValue
  }

  /// The generation given out last.
  var lastGeneration: UInt64 { generation.load(ordering: .relaxed) }

  /// Ends the lane's open segment and opens the free segment `segment`. Its header is durable with the next barrier.
  ///
  /// - Parameter baseSequence: no record in the segment will have a lower number.
  func openSegment(_ lane: Int, _ segment: Int, baseSequence: UInt64) throws(StoreError) {
    let state = unsafe self[lane]
    let previous = unsafe Mutant.segmentWithoutPrevious.isActive ? 0 : state.pointee.generation
    try sealSegment(lane)
    let header = SegmentHeader(
      kind: .log, segment: segment, generation: takeGeneration(), baseSequence: baseSequence,
      previousGeneration: previous)
    let start = geometry.segmentOffset(segment)
    if preparesAhead { preparer.advance() }
    segmentWasTaken()
    // The header first: who finds the segment in the table may look at it.
    try header.write(to: medium, superblock: superblock, site: .segmentHeader)
    segments.adopt(
      header, salt: header.salt(seed: superblock.seed), usedLines: Geometry.segmentHeaderBytes / lineSize)
    enter(lane, segment: segment, usedLines: Geometry.segmentHeaderBytes / lineSize)
    if Mutant.headerOutsideBarrier.isActive { return }
    unsafe state.pointee.soil(start..<start + Geometry.segmentHeaderBytes)
  }

  /// Ends the lane's open segment and goes on in one that an earlier owner left. The lane is settled before.
  func resumeSegment(_ lane: Int, _ partial: Space.Partial) throws(StoreError) {
    assert(unsafe self[lane].pointee.isSettled, "a chain of segments is resumed only by a settled lane")
    try clearBehindFrontier(partial)
    try sealSegment(lane)
    enter(lane, segment: partial.segment, usedLines: partial.usedLines)
    if preparesAhead { preparer.advance() }
  }

  /// Lets the lane of tombstones go on where it was; whether it had nowhere to go. Nothing is written: an owner clears what
  /// stands behind the segment's frontier before the lane is used.
  func adoptTombstones(_ partial: Space.Partial) -> Bool {
    guard unsafe self[tombstoneLane].pointee.segment < 0 else { return false }
    enter(tombstoneLane, segment: partial.segment, usedLines: partial.usedLines)
    return true
  }

  private func enter(_ lane: Int, segment: Int, usedLines: Int) {
    let state = unsafe self[lane]
    let entry = unsafe segments[segment]
    let start = geometry.segmentOffset(segment)
    unsafe state.pointee.segment = segment
    unsafe state.pointee.start = start
    unsafe state.pointee.position = start + usedLines * lineSize
    unsafe state.pointee.limit = start + geometry.segmentSize - lineSize
    // Where there are frontiers the first record writes one: this owner's.
    unsafe state.pointee.frontier = superblock.hasFrontiers ? state.pointee.position : state.pointee.limit
    unsafe state.pointee.salt = entry.pointee.salt
    unsafe state.pointee.baseSequence = entry.pointee.baseSequence
    unsafe state.pointee.generation = entry.pointee.generation
  }

  // MARK: Reading

  /// The sequence number of the record at `offset`, which recovery or a lane has put there.
  func sequence(ofRecordAt offset: Int) -> UInt64? {
    guard let header = unsafe Record.header(medium.bytes, at: offset) else { return nil }
    return unsafe segments[geometry.segment(at: offset)].pointee.baseSequence &+ UInt64(header.delta)
  }
}
