/// A part of a store's region that is mapped in one way.
public struct MappedPart: Sendable, Hashable {
  /// The part's bytes, from the region's start.
  public let range: Range<Int>
  /// How the processor treats accesses there, as far as it is known.
  public let memoryType: MemoryType
  /// Whether the kernel's own list of memory types was asked, and says so.
  public let isVerified: Bool
}

/// What a store's place is, and what its use costs there, measured: see ``Store/probe()``.
public struct ProbeReport: Sendable, Hashable {
  /// How long something takes, in nanoseconds.
  public struct Latency: Sendable, Hashable {
    /// How often it was measured.
    public internal(set) var count = 0
    /// What half of the calls need no longer than.
    public internal(set) var median: UInt64 = 0
    /// What 99 of 100 calls need no longer than.
    public internal(set) var percentile99: UInt64 = 0
    /// What the slowest call needed.
    public internal(set) var maximum: UInt64 = 0

    init(_ samples: [UInt64]) {
      guard let last = samples.indices.last else { return }
      let sorted = samples.sorted()
      count = sorted.count
      median = sorted[last / 2]
      percentile99 = sorted[last * 99 / 100]
      maximum = sorted[last]
    }
  }

  /// The parts of the region, in order, each with the way in which it is mapped.
  public internal(set) var parts: [MappedPart]
  /// The domain and level of durability, and why.
  public internal(set) var persistence: Persistence
  /// What the controller's registers say now, where the region is a Persistent Memory Region.
  public internal(set) var region: PersistentMemoryRegion?
  /// A barrier with nothing stored before it.
  public internal(set) var barrier: Latency
  /// A line stored, and a barrier: what a small put costs at least.
  public internal(set) var lineAndBarrier: Latency
  /// Bytes a second that were stored, barriers after every few KiB included.
  public internal(set) var storedBytesPerSecond: Double
  /// Bytes a second that were read from the mapping, past any mirror, by streaming loads.
  public internal(set) var readBytesPerSecond: Double
}
