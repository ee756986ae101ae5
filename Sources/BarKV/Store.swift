import CBarKV
public import Synchronization

/// An embedded, persistent key-value store in one region: a file, or persistent memory.
///
/// ```swift
/// let store = try Store.create(at: "/var/lib/app/data.barkv", size: 256 << 20)
/// try store.put("Ada", for: "user/1")          // durable when it returns
/// let name = try store.getString("user/1")     // "Ada"
/// try store.delete("user/1")
/// try store.close()
/// ```
///
/// **Durability.** A write is durable, at the level that ``persistence`` states, when its call returns, and becomes
/// visible to readers only then: no reader ever sees what a crash could take back. After a crash every acknowledged write
/// is there, and of the writes in flight each is there whole or not at all.
///
/// **Threads.** All calls may be made from any number of threads at once. Reads take no lock. Writers append in lanes of
/// their own and meet only on the same part of the key space; a barrier that is slow is shared.
///
/// **Ownership.** One process, and in it one `Store`, has a region open for writing; the operating system releases it
/// when the process ends, however it ends. A forked child cannot use its parent's store: each call fails with
/// ``StoreError/forked``.
///
/// All calls are synchronous and block the calling thread for as long as the medium's barrier takes.
@safe
public final class Store: @unchecked Sendable {
  // Safe to share: every stored property is a `let`; what they hold is atomic, or under a lock of its own.

  let medium: Medium
  let log: Log
  let index: Index
  let loader: IndexLoader
  let maintenance: Maintenance
  let epochs: Epochs
  let options: StoreOptions
  let superblock: Superblock
  let lifecycle: Lifecycle
  let deferredWrites: DeferredWrites
  let commitPlans: CommitPlans
  let writes = StripedCounter()
  let leaseTable = LeaseTable()
  /// At what address other devices find the region.
  let peerAddressing: PeerAddressing
  /// Not 0 once some of the region may be lost: see ``MediumLoss``. It lives as long as the medium.
  @usableFromInline let lossState: UnsafeMutablePointer<Atomic<UInt32>>
  /// What a key and a value may be in this store.
  public let limits: StoreLimits
  /// How writes are made durable here, what that proves, and why.
  public let persistence: Persistence
  /// What opening found and did.
  public let recovery: RecoveryReport
  /// How the store was opened.
  public let access: Access

  init(
    medium: Medium, superblock: Superblock, log: Log, index: Index, loader: IndexLoader, maintenance: Maintenance,
    epochs: Epochs, lifecycle: Lifecycle, options: StoreOptions, isOwner: Bool, recovery: RecoveryReport
  ) {
    self.medium = medium
    self.superblock = superblock
    self.log = log
    self.index = index
    self.loader = loader
    self.maintenance = maintenance
    self.epochs = epochs
    self.lifecycle = lifecycle
    self.options = options
    self.recovery = recovery
    deferredWrites = DeferredWrites()
    commitPlans = CommitPlans(partitionCount: index.partitionCount)
    unsafe lossState = unsafe medium.loss.state
    limits = StoreLimits(superblock.geometry)
    persistence = medium.persistence
    peerAddressing = PeerAddressing(medium, options: options)
    access = isOwner ? .readWrite : .readOnly
  }

  deinit {
    // Nobody else is left. An error has nobody to go to; the next open recovers what this close could not say.
    try? close()
    maintenance.stop()
    writes.deallocate()
  }

  /// How many keys are present. Writes that run at the same time may or may not be counted.
  ///
  /// - Complexity: the number of lanes; no barrier, no lock. The first call after a crash looks up what the log's tail
  ///   replaced, which takes some milliseconds, where opening has not come to it yet.
  public var count: Int {
    // Not in a region that is being given up.
    _ = try? holdingOpen { () throws(StoreError) in loader.resolveTail() }
    return log.keyCount
  }
}
