/// A store's figures at one moment. Bytes are those of the region, headers and padding included, unless said otherwise.
public struct StoreStatistics: Sendable, Hashable {
  /// The region's size.
  public internal(set) var regionBytes: UInt64 = 0
  /// The bytes of all segments: what headers, records, extents and free space share.
  public internal(set) var capacityBytes: UInt64 = 0
  /// The bytes occupied by the newest version of each present key.
  public internal(set) var liveBytes: UInt64 = 0
  /// The bytes occupied by anything else: older versions, tombstones, segment headers, padding at segments' ends.
  public internal(set) var deadBytes: UInt64 = 0
  /// The bytes not written yet. `capacityBytes = liveBytes + deadBytes + freeBytes`.
  public internal(set) var freeBytes: UInt64 = 0
  /// The share of `freeBytes` that puts leave, so that every present key can be deleted and the index written anew.
  public internal(set) var reservedBytes: UInt64 = 0
  /// The bytes outside the segments: superblock, manifest and padding. `regionBytes = metadataBytes + capacityBytes`.
  public internal(set) var metadataBytes: UInt64 = 0
  /// The bytes of the index's runs that are in force; they are a part of `deadBytes`, as no key's record.
  public internal(set) var runBytes: UInt64 = 0
  /// The number of the index's runs that are in force.
  public internal(set) var runCount: Int = 0
  /// The `liveBytes` that the store is made to hold, if what is added is like what is there; in a store without keys, if each
  /// key takes 128 bytes. Puts of new keys are refused there, or a sixteenth above where there are 128 segments or more:
  /// that keeps overwriting cheap.
  ///
  /// An estimate: from the segments that there are, those that puts leave, the index's 8.6 bytes a key, and the share of
  /// records and extents in what lives now. It presumes that compaction packs what lives; a store that is filled with keys
  /// of one size ends within a few percent of it, or within two segments where there are few.
  public internal(set) var usableBytes: UInt64 = 0
  /// The length of the longest value that a put would take now, without compaction to make room first; `nil` where it would
  /// take none.
  ///
  /// For keys of up to 28 bytes, whose record beside a long value takes one line: neighbouring free segments beyond those
  /// that puts leave, or room in open ones. Exact for a key of 28 bytes while nothing else writes. A put that finds less
  /// room has what is dead set free first, so a longer value may find room all the same.
  public internal(set) var largestValueBytes: Int?
  /// The number of present keys.
  public internal(set) var keyCount: Int = 0
  /// The size of a segment.
  public internal(set) var segmentBytes: Int = 0
  /// The number of segments in the region.
  public internal(set) var segmentCount: Int = 0
  /// The number of segments that hold nothing.
  public internal(set) var freeSegmentCount: Int = 0
  /// The number of lanes.
  public internal(set) var laneCount: Int = 0
  /// The number of barriers since the store was opened, those of opening included.
  public internal(set) var barrierCount: UInt64 = 0
  /// The number of durable write operations (put, delete, batch, compare-and-swap, update, persist) since the store was
  /// opened.
  public internal(set) var writeCount: UInt64 = 0
  /// The highest sequence number in use.
  public internal(set) var sequence: UInt64 = 0
  /// How many times the store was opened for writing.
  public internal(set) var ownerEpoch: UInt64 = 0
  /// The DRAM held by the index, in bytes.
  public internal(set) var indexBytes: UInt64 = 0
  /// The share of `indexBytes` that ``StoreOptions/indexBytes`` bounds: the tables of the parts that are in memory.
  public internal(set) var residentIndexBytes: UInt64 = 0
  /// The bytes of records, seals among them, written since the last checkpoint: what opening reads after a crash now.
  public internal(set) var tailBytes: UInt64 = 0
  /// The number of checkpoints since the store was opened.
  public internal(set) var checkpointCount: UInt64 = 0
  /// The bytes of the index's runs written since the store was opened, by checkpoints and merges.
  public internal(set) var runBytesWritten: UInt64 = 0
  /// The bytes of live records that compaction copied since the store was opened.
  public internal(set) var copiedBytes: UInt64 = 0
  /// The number of reservations that are open.
  public internal(set) var reservationCount: Int = 0
  /// The bytes of their values: a part of `deadBytes`, as no key's.
  public internal(set) var reservationBytes: UInt64 = 0
  /// How many of them an earlier owner left: they are in quarantine until they are committed or abandoned.
  public internal(set) var quarantinedCount: Int = 0
  /// How long ago the oldest of them was made, in seconds; `nil` where there is none.
  public internal(set) var oldestReservationSeconds: UInt64?
  /// The number of leases that are out.
  public internal(set) var leaseCount: Int = 0
  /// The bytes of their values.
  public internal(set) var leaseBytes: UInt64 = 0
  /// How long ago the oldest of them was taken, in seconds; `nil` where there is none.
  public internal(set) var oldestLeaseSeconds: UInt64?
  /// What the region's copy in DRAM holds; `nil` where the region is read in place.
  public internal(set) var mirror: MirrorStatistics?
  /// The domain and level of durability, and why.
  public internal(set) var persistence: Persistence
}

/// The figures of a copy in DRAM of a region that is slow to read. In bytes; a page is 4 KiB.
public struct MirrorStatistics: Sendable, Hashable {
  /// The most that it may hold.
  public internal(set) var budgetBytes: UInt64 = 0
  /// What it holds.
  public internal(set) var residentBytes: UInt64 = 0
  /// What was read from the device since the store was opened.
  public internal(set) var filledBytes: UInt64 = 0
  /// What was dropped to stay within the budget, or to look at the device again.
  public internal(set) var droppedBytes: UInt64 = 0
}

/// Damage found by recovery or by ``Store/verify()``.
public struct Damage: Sendable, Hashable {
  /// What is damaged.
  public enum Kind: String, Sendable, Hashable {
    /// A superblock copy; the other one serves.
    case superblock
    /// A manifest area that should be valid.
    case manifest
    /// A segment header copy.
    case segmentHeader
    /// A record, or several neighbours whose borders are lost.
    case record
    /// An extent's bytes.
    case extent
    /// The index disagrees with the log.
    case index
  }
  /// What is damaged.
  public let kind: Kind
  /// Where the damage starts, from the region's start.
  public let offset: UInt64
  /// How many bytes it spans.
  public let length: UInt64
  /// What was found, in words for a person.
  public let detail: String
}

/// What opening a store found and did.
public struct RecoveryReport: Sendable, Hashable {
  /// Whether the last owner closed the store.
  public internal(set) var wasClosed: Bool = false
  /// The number of segments read.
  public internal(set) var segmentCount: Int = 0
  /// The number of valid records replayed.
  public internal(set) var recordCount: Int = 0
  /// The number of whole records that were dropped because they stood behind a torn one or in an incomplete batch; none
  /// of them was acknowledged.
  public internal(set) var droppedRecordCount: Int = 0
  /// The number of segments whose log ended in a torn record.
  public internal(set) var tornTailCount: Int = 0
  /// Damage to what had been acknowledged. The list holds the first 1,000; ``damageCount`` counts all.
  public internal(set) var damage: [Damage] = []
  /// How many places were found damaged.
  public internal(set) var damageCount: Int = 0
  /// How long opening took, in nanoseconds.
  public internal(set) var nanoseconds: UInt64 = 0
}

/// What ``Store/verify()`` found.
public struct VerifyReport: Sendable, Hashable {
  /// The number of records whose checksum was right.
  public internal(set) var recordCount: Int = 0
  /// The number of extents whose checksum was right.
  public internal(set) var extentCount: Int = 0
  /// The bytes read.
  public internal(set) var bytes: UInt64 = 0
  /// Damage found. The list holds the first 1,000; ``damageCount`` counts all.
  public internal(set) var damage: [Damage] = []
  /// How many places were found damaged.
  public internal(set) var damageCount: Int = 0
  /// Whether nothing is damaged.
  public var isSound: Bool { damageCount == 0 }
}
