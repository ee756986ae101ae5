/// How a store is opened.
public enum Access: Sendable, Hashable {
  /// One owner: reads and writes. A second owner of any kind gets ``StoreError/busy(path:owner:)``.
  case readWrite
  /// Any number of readers together, no writer: the region is mapped for reading and nothing is written to it.
  case readOnly
}

/// When a write is durable.
public enum Durability: Sendable, Hashable {
  /// The write is durable, at the medium's ``Persistence/level``, when the call returns. One barrier.
  case immediate
  /// The write becomes durable and visible with the next barrier: ``Store/persist()``, an immediate write, or when the
  /// buffer of deferred writes is full. Until then no read shows it and a crash loses it; of the deferred writes a crash
  /// keeps a prefix. A value that is written to an extent (see `Docs/Format.md`) is durable at once all the same.
  case deferred
}

/// Settings of one open store; none of them changes the format.
public struct StoreOptions: Sendable {
  /// Which persistence domain to use on a file.
  public enum Domain: Sendable, Hashable {
    /// The strongest that the medium needs: see ``PersistenceDomain``.
    case automatic
    /// No write-back to the device: data survives the process, not the machine.
    case processOnly
  }

  /// The persistence domain to use. Default: ``Domain/automatic``.
  public var domain: Domain = .automatic

  /// The most lanes, which is the most writers that append at the same time: 1 to 64. Default: 16. A small region has
  /// fewer.
  public var maximumLanes: Int = 16

  /// Whether each get checks the record's checksum, and an extent's, before it answers. Default: `false`; opening checks
  /// every record, and ``Store/verify()`` checks all.
  public var verifiesReads: Bool = false

  /// The number of bytes of deferred writes kept in memory before they are persisted unasked. Default: 1 MiB.
  public var deferredBytes: Int = 1 << 20

  /// Whether every page of the region is mapped before the store is open. Default: `false`; pages are then mapped in the
  /// background, ahead of the writers. A page's first use costs some microseconds, which no write pays with `true`, and
  /// creating or opening does. No effect on a plain file that is written through `msync`.
  public var mapsWholeRegion: Bool = false

  /// The most bytes of log that opening after a crash reads: at most 1 GiB. Default: 16 MiB. A checkpoint is made when half
  /// of it is written, sooner in a small region. Less makes opening faster and writing dearer: each checkpoint writes some
  /// of the index anew.
  public var replayBytes: Int = 16 << 20

  /// The most bytes of DRAM for the index's tables, or as good as no limit: the default. What is over it is taken from
  /// parts of the index that were not changed since the last checkpoint, and is filled again from the region when it is
  /// touched. Below some 64 KiB, or 16 parts of the index where that is more, hardly a get finds its part in place.
  public var indexBytes: Int = .max

  /// Whether the index is filled in the background after opening. Default: `true`. Without, the first write or the second get
  /// in each part of the index fills it.
  public var warmsIndex: Bool = true

  /// Whether checkpoints and compaction run on a thread of their own; else the writer that makes them due does them.
  var maintainsInBackground = true

  /// How many threads sort and merge the index's entries at a checkpoint; `nil` for half of the processors, 8 at most.
  var mergingThreads: Int?

  /// Whether opening reads the whole log and builds the index anew, instead of trusting the runs: how a store is repaired.
  var rebuildsIndex = false

  /// The size of a segment in bytes for a store being created: a power of two, or `nil` to choose by the region's size.
  public var segmentSize: Int?

  /// Whether a `dax:` device is taken that is a PCIe device's memory, mapped write-back. Default: `false`: such a mapping is
  /// outside the bus's coherency, writes reach the device only as lines are written back, and no standard says when they
  /// have arrived.
  public var acceptsCachedBar: Bool = false

  /// The most bytes of DRAM that hold a copy of a BAR's pages, for reading: 0 for none, and no less than 128 KiB otherwise.
  /// Default: 256 MiB.
  ///
  /// Reading a BAR costs a microsecond a word; its copy costs what DRAM does. A page of 4 KiB is read from the device when it
  /// is first touched, and again after it was dropped to keep within the budget, oldest first. Not used where the mapping is
  /// cached (files and DAX), nor where the system grants no `userfaultfd` that serves the kernel's own accesses, as it does
  /// to root: then the BAR is read in place.
  public var mirrorBytes: Int = 256 << 20

  /// A device to pretend that the store is on, for measuring; `nil` for none.
  @_spi(Simulation) public var simulatedDevice: SimulatedDevice?

  /// The address at which other devices find the region's first byte, where the caller knows it: an IOVA that it has mapped
  /// for them, or the address of memory that was registered with a driver. Default: `nil`, and then the BAR's start as sysfs
  /// lists it, where that is an address for devices: see ``NoBusAddress``.
  public var peerAddressBase: UInt64?

  /// Where sysfs is mounted, by which devices are found and brought up. Default: `/sys`; tests give a tree of their own.
  public var sysfs: String = "/sys"

  /// Since when the machine is running.
  var bootIdentity = BarKV.bootIdentity()

  /// Default settings.
  public init() {}

  /// - Throws: ``StoreError/invalidOption(_:)``.
  func validate() throws(StoreError) {
    guard (1...64).contains(maximumLanes) else { throw .invalidOption("maximumLanes is 1 to 64, not \(maximumLanes)") }
    guard replayBytes >= 0, replayBytes <= 1 << 30 else {
      throw .invalidOption("replayBytes is at most 1 GiB, not \(replayBytes)")
    }
    guard indexBytes >= 0 else { throw .invalidOption("indexBytes is not below 0, as \(indexBytes) is") }
    guard (0...(1 << 30)).contains(deferredBytes) else {
      throw .invalidOption("deferredBytes is 0 to 1 GiB, not \(deferredBytes)")
    }
    guard mirrorBytes >= 0 else { throw .invalidOption("mirrorBytes is 0 or more, not \(mirrorBytes)") }
    guard !sysfs.isEmpty, !sysfs.utf8.contains(0) else { throw .invalidOption("sysfs is the path of a folder") }
  }
}
