import Synchronization

/// What keeps a store usable for years: checkpoints, which bound what opening reads; merges of runs; compaction; and the
/// return of segments in which nothing lives any more.
///
/// One step at a time, under `turn`; on a thread of its own that is there while there is work, or on the thread of a writer
/// that cannot go on without. Whoever takes the turn holds no partition and no lane.
final class Maintenance: @unchecked Sendable {
  // Safe to share: everything that changes is atomic or under a lock.

  /// What only the holder of the turn touches.
  struct State {
    /// The manifest in force; `nil` where the store is read-only.
    var manifest: Manifest?
    /// The checkpoint that opening went on from, for a store that is read-only.
    var foundCheckpoint: Checkpoint?
    /// The runs in force, base runs in the order of their ranges, delta runs the oldest first.
    var base: [Run] = []
    var deltas: [Run] = []
    /// How many base runs are due to be written anew.
    var mergingDue = 0.0
    var runNumber: UInt64 = 0
    /// Segments that the manifest no longer names, until no reader can be in them: their first segment and span, and the
    /// epoch that has to pass.
    var leaving: [(segment: Int, span: Int, epoch: UInt64)] = []
    /// Victims that could not be emptied: something in them is damaged.
    var stuck: Set<Int> = []
    /// Segments whose headers were erased, which no barrier may have covered yet.
    var erased: Set<Int> = []
    /// Segments that came back.
    var gained = 0
    /// The most segments that came back, less those taken for it, and how many victims were emptied since that brought no
    /// more: what is dead at the end of a segment, where no record fit, is dead again in the next.
    var mostGained = 0
    var fruitlessMoves = 0
    /// How many lines were dead when no room was found last: until some more are, there is none to be found.
    var exhausted: Int?
    /// The oldest reader's epoch, where it was waited for in vain: the same reader is not waited for again.
    var waitedFor: UInt64?
  }

  let log: Log
  let index: Index
  let loader: IndexLoader
  let epochs: Epochs
  let medium: Medium
  let superblock: Superblock
  let lifecycle: Lifecycle
  let turn: Locked<State>
  /// How many writers wait for the turn, or have it, to make room.
  private let waiting = Atomic<Int>(0)
  /// The bytes of tail at which a checkpoint is made.
  let tailTrigger: Int
  /// The bytes of tail that are never exceeded by more than what writers have under way.
  private let tailLimit: Int
  /// Whether work is done on a thread of its own; else on the writer's that makes it due.
  private let isInBackground: Bool
  private let warms: Bool
  /// How many threads sort and merge the index's entries, the one that has the turn among them. Where many write, what one
  /// thread can merge is what bounds them.
  let mergingThreads: Int
  /// The bytes of tail at which writers tell: ``dueAt``, as it was last looked at, or, once they have told, more.
  let due = Atomic<Int>(.max)
  /// Figures.
  let checkpoints = Atomic<UInt64>(0)
  let runBytes = Atomic<UInt64>(0)
  let copiedBytes = Atomic<UInt64>(0)
  let compactedSegments = Atomic<UInt64>(0)
  /// Segments that maintenance took for itself.
  let takenSegments = Atomic<Int>(0)

  private struct Worker: Sendable {
    var thread = TransientThread()
    var wasAsked = false
  }
  private let worker = Locked(Worker())
  private let isStopped = Atomic<Bool>(false)

  init(
    log: Log, index: Index, loader: IndexLoader, epochs: Epochs, lifecycle: Lifecycle, state: State,
    options: StoreOptions
  ) {
    self.log = log
    self.index = index
    self.loader = loader
    self.epochs = epochs
    self.lifecycle = lifecycle
    medium = log.medium
    superblock = log.superblock
    turn = Locked(state)
    isInBackground = options.maintainsInBackground
    warms = options.warmsIndex
    mergingThreads =
      options.mergingThreads ?? (options.maintainsInBackground ? max(1, min(processorCount() / 2, 8)) : 1)
    tailLimit = max(options.replayBytes, 2 * lineSize)
    // A delta run of what the tail changed has to fit into the reserve: it has a quarter of the tail's bytes at most.
    let geometry = log.geometry
    let largest = geometry.rewritesIndex ? Int.max : 4 * geometry.segmentSize
    tailTrigger = state.manifest == nil ? Int.max : min(tailLimit / 2, largest)
    due.store(state.manifest == nil ? .max : dueAt, ordering: .relaxed)
    if state.manifest != nil {
      loader.needsCheckpoint.set { [weak self] in self?.ask() }
    }
  }

  var geometry: Geometry { log.geometry }

  // MARK: What is due

  /// The free segments below which the compactor works ahead of writers, and above which it stops.
  var lowWater: Int { log.space.reservedSegments + max(1, geometry.segmentCount / 32) }
  private var highWater: Int { log.space.reservedSegments + max(2, geometry.segmentCount / 20) }

  /// The bytes of tail at which a checkpoint is due: sooner where space is so short that the run of what has changed, two
  /// entries a line at most, takes much of it.
  var dueAt: Int {
    if geometry.rewritesIndex { return tailTrigger }
    let segments = max(1, (log.space.freeCount - 3) / 2)
    return min(tailTrigger, segments * (geometry.runPayload / 8) / 2 * lineSize)
  }

  /// A writer has found the tail long.
  @inline(never)
  func tailIsLong() {
    guard isInBackground else {
      return work(once: true)
    }
    let due = dueAt
    // Where space is short writers wait for their turn, and find it done.
    if due < tailTrigger { return work(once: true) }
    let urgentAt = max(tailLimit, 2 * due)
    if log.tailBytes.value >= urgentAt { return waitForCut(urgentAt) }
    // Each write until then would ask again, which is a lock. Before the worker is asked, which sets it back in the end.
    self.due.store(urgentAt, ordering: .relaxed)
    ask()
  }

  /// Waits until the tail begins anew, where the worker does not keep up: not for the turn, which the worker may have for the
  /// merging that follows, nor for the runs to be written.
  private func waitForCut(_ urgentAt: Int) {
    ask()
    while log.tailBytes.value >= urgentAt {
      // It may have found no room, or there may be no thread: then it is done here, or is not to be done.
      guard goesOn, dueAt == tailTrigger, worker.withLock({ $0.thread.isWorking }) else { return work(once: true) }
      sleepFor(microseconds: 20)
    }
  }

  /// Says anew when writers find the tail long.
  func setDue() {
    due.store(dueAt, ordering: .relaxed)
  }

  /// A lane has taken a segment.
  func segmentWasTaken() {
    setDue()
    if isInBackground, log.space.freeCount < lowWater { ask() }
  }

  /// Begins what is due after opening.
  func begin() {
    // Little is done at once, sooner than a thread would begin.
    if !isInBackground || loader.isLittleLeft { loader.resolveTail() }
    guard isInBackground else { return }
    let isToWarm = warms && !loader.isLittleLeft
    if isToWarm { loader.willWarm() }
    if isToWarm || log.tailBytes.value >= tailTrigger { ask() }
  }

  /// Sees to it that what is due is done; returns at once.
  private func ask() {
    worker.withLock { worker in
      if worker.thread.isWorking {
        worker.wasAsked = true
        return
      }
      worker.thread.start { [self] in
        repeat { work(once: false) } while isAskedAgain()
      }
    }
  }

  private func isAskedAgain() -> Bool {
    worker.withLock { worker in
      let again = worker.wasAsked && !worker.thread.isStopped
      worker.wasAsked = false
      if !again { worker.thread.ended() }
      return again
    }
  }

  /// Ends all work, for good: the region may be unmapped then.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    worker.withLock { $0.thread.stop() }?.join()
  }

  private var goesOn: Bool { !isStopped.load(ordering: .relaxed) && lifecycle.isOpen }

  /// Does what is due: everything, or no more than the tail's checkpoint.
  private func work(once: Bool) {
    guard goesOn else { return }
    if !once { loader.resolveTail(while: { goesOn }) }
    poisoning { () throws(StoreError) in
      turn.withLock { beginPass(&$0) }
      while goesOn {
        let isDone = try turn.withLock { (state) throws(StoreError) in try step(&state, once: once) }
        if isDone { break }
        if !once { leaveTurnToWriters() }
      }
    }
    setDue()
    if !once, warms { loader.warm(while: { goesOn }) }
  }

  /// One step of what is due; whether nothing is.
  private func step(_ state: inout State, once: Bool) throws(StoreError) -> Bool {
    guard state.manifest != nil, goesOn else { return true }
    release(&state)
    if log.tailBytes.value >= dueAt || loader.isOverBudget {
      guard try checkpointIfRoom(&state, mergesLater: isInBackground) else { return true }
      return false
    }
    if once { return true }
    if try mergeStep(&state) { return false }
    if log.space.freeCount < highWater, try compactStep(&state, leastGarbage: log.space.freeCount < lowWater ? 32 : 8) {
      return false
    }
    return true
  }

  /// Makes room for a writer that found none. The caller holds nothing.
  ///
  /// - Parameter isFirst: whether room that somebody else makes meanwhile is enough: a writer that needs several segments in
  ///   a row would find the same room time and again.
  /// - Returns: whether there is more room than before.
  func makeRoom(for purpose: Space.Purpose, isFirst: Bool) throws(StoreError) -> Bool {
    waiting.wrappingAdd(1, ordering: .relaxed)
    defer { waiting.wrappingSubtract(1, ordering: .relaxed) }
    return try poisoningThrough { () throws(StoreError) in
      while true {
        let hasGained = try turn.withLockIfFree { (state) throws(StoreError) in try makeRoom(&state, for: purpose) }
        if let hasGained { return hasGained }
        // Room is what is waited for, not the turn: whoever has that may be merging for long.
        if isFirst, hasRoom(for: purpose) { return true }
        sleepFor(microseconds: 20)
      }
    }
  }

  private func makeRoom(_ state: inout State, for purpose: Space.Purpose) throws(StoreError) -> Bool {
    // Somebody else has, meanwhile.
    if hasRoom(for: purpose) { return true }
    try lifecycle.check()
    guard state.manifest != nil, isWorthATry(state, purpose) else { return false }
    let hasGained = try gain(&state, purpose: purpose, seen: netGain(state))
    state.exhausted = hasGained ? nil : deadLines
    return hasGained
  }

  /// Lets a writer that waits for the turn have it: a mutex goes to whoever asks first when it is free, which would be the
  /// one that had it, step by step for a second and longer.
  private func leaveTurnToWriters() {
    for _ in 0..<50 where waiting.load(ordering: .relaxed) > 0 { sleepFor(microseconds: 20) }
  }

  /// The lines of the log and of extents in which nothing lives, nor is about to.
  private var deadLines: Int {
    (0..<geometry.segmentCount).reduce(0) { sum, segment in
      switch log.segments.kind(segment) {
      case .log, .extents:
        log.segments.hasPending(segment) || log.segments.isPinned(segment) ? sum : sum + log.segments.dead(segment)
      default: sum
      }
    }
  }

  /// Whether room may be found where none was found last. Each failure may have read and written all of a small store: puts
  /// wait for some more garbage before they try again, an eighth of a segment.
  private func isWorthATry(_ state: State, _ purpose: Space.Purpose) -> Bool {
    guard let exhausted = state.exhausted, !mayRelease(state) else { return true }
    let least = purpose == .put ? max(1, geometry.segmentSize / lineSize / 8) : 1
    return deadLines >= exhausted + least
  }

  /// Whether a writer finds a segment: what it would ask for is what it needs.
  private func hasRoom(for purpose: Space.Purpose) -> Bool {
    log.expectKeys(newSegments: purpose == .put ? 1 : 0)
    return log.space.hasRoom(for: purpose)
  }

  private func gain(_ state: inout State, purpose: Space.Purpose, seen: Int) throws(StoreError) -> Bool {
    func hasGained(_ state: State) -> Bool { netGain(state) > seen || hasRoom(for: purpose) }
    var sealing = Sealing.none
    var wasLast = false
    // Where there are many segments, what is dead in open ones is little; and a put that has more records copied for each
    // that it writes had better be refused. Where there are few, garbage of one segment is no less than one part in so many.
    let hasFew = geometry.rewritesIndex
    let leastGarbage = hasFew ? max(32, geometry.segmentCount) : 32
    beginPass(&state)
    // Each round moves live records together; what it gains may be less than a segment.
    for _ in 0..<64 {
      release(&state)
      if hasGained(state) { return true }
      // First what costs nothing but a commit: segments in which nothing lives.
      guard try checkpointIfRoom(&state, sealing: sealing) else { break }
      if hasGained(state) { return true }
      let hasMoved = try compactStep(&state, leastGarbage: leastGarbage)
      waitForReaders(&state)
      if hasGained(state) { return true }
      if hasMoved {
        // What was copied to a fresh segment has left room there, which extents' records need: sealed again, it would be a
        // victim again, and so on for ever.
        if sealing == .all { sealing = .writers }
        wasLast = false
        continue
      }
      // Nothing that is dead can be had as it is: what open segments have of it is next.
      if !hasFew || sealing == .all && wasLast { break }
      wasLast = sealing == .all
      sealing = sealing == .none ? .writers : .all
      beginPass(&state)
    }
    return netGain(state) > seen
  }

  /// Waits for the readers that keep segments from being used again: for each reader once, and not for long. It may be a
  /// backup that takes minutes, or a view that the waiting thread itself holds.
  private func waitForReaders(_ state: inout State) {
    for _ in 0..<2000 {
      release(&state)
      guard mayRelease(state) else { return }
      sleepFor(microseconds: 50)
    }
    state.waitedFor = epochs.oldestReaderEpoch()
  }

  /// Whether segments come back as soon as a reader leaves that was not waited for in vain before.
  private func mayRelease(_ state: State) -> Bool {
    // What a lease keeps does not come back when a reader leaves.
    state.leaving.contains { !log.segments.isPinned($0.segment) } && epochs.oldestReaderEpoch() != state.waitedFor
  }

  /// Which open segments are ended at a cut, so that what is dead in them can be had.
  enum Sealing {
    case none
    /// Those of writers, and those that an earlier owner left.
    case writers
    /// That of the copies, too.
    case all
  }

  /// The segments that came back, less those that it took to get them back.
  func netGain(_ state: State) -> Int { state.gained - takenSegments.load(ordering: .relaxed) }

  /// - Returns: `false` where not even the reserve has room for the runs.
  private func checkpointIfRoom(
    _ state: inout State, sealing: Sealing = .none, mergesLater: Bool = false
  ) throws(StoreError) -> Bool {
    do throws(StoreError) {
      try checkpoint(&state, sealing: sealing, mergesLater: mergesLater)
      return true
    } catch {
      guard error == .full else { throw error }
      return false
    }
  }

  /// An error of the medium ends the work, and poisons the store.
  private func poisoning(_ body: () throws(StoreError) -> Void) {
    do throws(StoreError) { try poisoningThrough(body) } catch {
      // Whoever touches what is damaged, or uses the store that is poisoned, is told.
    }
  }

  private func poisoningThrough<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    do throws(StoreError) { return try body() } catch {
      switch error {
      case .outcomeUnknown, .deviceLost, .system: lifecycle.poison(error)
      default: break
      }
      throw error
    }
  }

  // MARK: Segments that come back

  /// Gives back the segments that no reader can be in any more.
  func release(_ state: inout State) {
    guard !state.leaving.isEmpty else { return }
    let oldest = epochs.oldestReaderEpoch()
    var stays: [(segment: Int, span: Int, epoch: UInt64)] = []
    var freed: [Int] = []
    for item in state.leaving {
      // A lease may have been taken by a reader that has left since: its pin was there before.
      guard item.epoch < oldest || Mutant.freesUnderReaders.isActive,
        !log.segments.isPinned(item.segment)
      else {
        stays.append(item)
        continue
      }
      // Erased, so that a recovery without the manifest does not find what was set free; the next owner of the lines is
      // another thread, so it is fenced before they are given away.
      // All of a span: a value's bytes where a header would be must not look like a damaged one later.
      for segment in item.segment..<item.segment + item.span {
        try? SegmentHeader.erase(segment: segment, in: medium, geometry: geometry, site: .freedSegment)
      }
      if log.segments.kind(item.segment) == .runs { log.space.countRunSegments(-1) }
      log.segments.free(item.segment)
      freed += item.segment..<item.segment + item.span
    }
    guard !freed.isEmpty else { return }
    try? medium.fence(site: .freedSegment)
    setDue()
    state.erased.formUnion(freed)
    log.space.giveBack(freed)
    state.gained += freed.count
    state.leaving = stays
    state.waitedFor = nil
  }

  /// Gives back what waited for readers, and makes durable what was erased: in a region that was closed a header that is
  /// neither whole nor blank is damaged. All work has stopped, and no reader is left.
  func settleErasures(_ state: inout State) throws(StoreError) {
    release(&state)
    for segment in state.erased.sorted() {
      let start = geometry.segmentOffset(segment)
      try medium.barrier(start..<start + Geometry.segmentHeaderBytes, site: .freedSegment)
    }
    state.erased = []
  }
}
