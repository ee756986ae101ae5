import CBarKV
import Synchronization

/// Whether the store may be used: one word, which every operation loads.
///
/// The word's page is wiped in a forked child, so that the same load tells the child that the store is not its own.
@safe
final class Lifecycle: @unchecked Sendable {
  enum State: UInt32 {
    /// The page was wiped: this is a forked child.
    case forked = 0
    case open = 1
    case closed = 2
    case poisoned = 3
  }

  private let word: UnsafeMutablePointer<Atomic<UInt32>>
  /// What lets reads begin without a look at the state: see ``Epochs``. On the same page, so that a forked child's is shut
  /// as well: 0 is no epoch.
  let gate: UnsafeMutablePointer<Atomic<UInt64>>
  private static var shut: UInt64 { .max }
  private let failure = Locked<StoreError?>(nil)

  init() throws(StoreError) {
    guard let page = unsafe barkv_fork_guard_create() else {
      throw .system(call: "mmap(MADV_WIPEONFORK)", errno: barkv_errno())
    }
    unsafe word = page.bindMemory(to: Atomic<UInt32>.self, capacity: 1)
    unsafe word.initialize(to: Atomic(State.open.rawValue))
    unsafe gate = (page + lineSize).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe gate.initialize(to: Atomic(Self.shut))
  }

  deinit {
    unsafe barkv_fork_guard_destroy(word)
  }

  @inline(__always)
  var isOpen: Bool {
    unsafe word.pointee.load(ordering: .acquiring) == State.open.rawValue
  }

  /// - Throws: why the store cannot be used.
  @inline(__always)
  func check() throws(StoreError) {
    if !isOpen { throw reason() }
  }

  @inline(never)
  private func reason() -> StoreError {
    switch state {
    case .forked: .forked
    case .open, .closed: .closed
    case .poisoned: failure.withLock { $0 } ?? .deviceLost("an earlier error")
    }
  }

  var state: State {
    unsafe State(rawValue: word.pointee.load(ordering: .acquiring)) ?? .closed
  }

  /// Ends the store's use; whether this call did it.
  func close() -> Bool {
    defer { shutGate() }
    return unsafe word.pointee.compareExchange(
      expected: State.open.rawValue, desired: State.closed.rawValue, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Ends a poisoned store's use; whether this call did it.
  func closePoisoned() -> Bool {
    unsafe word.pointee.compareExchange(
      expected: State.poisoned.rawValue, desired: State.closed.rawValue, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Makes every later call fail as the medium failed: nothing more is trusted to it.
  func poison(_ error: StoreError) {
    let lasting: StoreError =
      if case .outcomeUnknown(let what) = error { .deviceLost(what) } else { error }
    failure.withLock { $0 = $0 ?? lasting }
    unsafe _ = word.pointee.compareExchange(
      expected: State.open.rawValue, desired: State.poisoned.rawValue, ordering: .sequentiallyConsistent)
    shutGate()
  }

  /// No quick read begins any more.
  private func shutGate() {
    unsafe gate.pointee.store(Self.shut, ordering: .sequentiallyConsistent)
  }
}

extension Store {
  /// Persists what is deferred, notes in the region that everything is whole, and gives the region up.
  ///
  /// Calls of other threads that have begun are waited for; later ones fail with ``StoreError/closed``. Closing a closed
  /// store does nothing. A store that is not closed is closed when the last reference to it goes.
  ///
  /// - Throws: ``StoreError/closedInsideRead`` inside a read closure of this store; ``StoreError/forked``; or the medium's
  ///   failure, in which case the store is closed all the same and the next open recovers.
  /// - Complexity: one barrier, two with deferred writes.
  public func close() throws(StoreError) {
    switch lifecycle.state {
    case .forked: throw .forked
    case .closed: return
    case .open, .poisoned: break
    }
    if epochs.isReading { throw .closedInsideRead }
    var failure: StoreError?
    // Deferred writes come first, and under their lock, so that none is accepted that nobody would persist.
    deferredWrites.lock.lock()
    if lifecycle.isOpen, access == .readWrite {
      do throws(StoreError) { try persistLocked() } catch { failure = error }
    }
    let closedHere = lifecycle.close()
    deferredWrites.lock.unlock()
    guard closedHere || lifecycle.closePoisoned() else { return }
    // Writers that began before hold their partition until they are done; those that come after see the state.
    for partition in 0..<index.partitionCount {
      index.lock(partition).lock()
      index.lock(partition).unlock()
    }
    maintenance.stop()
    for lane in log.allLanes {
      log.lock(lane).lock()
      log.release(lane)
    }
    // Readers, and writers of extents, which hold no partition: after the manifest nothing may be written any more.
    epochs.waitForReaders()
    if closedHere, failure == nil, var manifest = maintenance.turn.withLock({ $0.manifest }) {
      do throws(StoreError) {
        try maintenance.turn.withLock { (state) throws(StoreError) in try maintenance.settleErasures(&state) }
        manifest.openSegments = try log.openSegments(capacity: Manifest.capacity(superblock.geometry))
        manifest.commit += 1
        manifest.sequence = Mutant.closingForgetsSequence.isActive ? 0 : log.sequence
        manifest.isClosed = true
        try manifest.write(to: medium, superblock: superblock, site: .closingManifest)
      } catch {
        failure = error
      }
    }
    log.preparer.stop()
    index.stopPreparing()
    medium.unmap()
    if let failure { throw failure }
  }
}
