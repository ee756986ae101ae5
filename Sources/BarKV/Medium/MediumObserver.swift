/// Which part of the store a write to the medium comes from. Every write names its site, so that a recorder can tell
/// them apart and a test build can break one of them.
enum MediumSite: UInt8, Sendable, CaseIterable {
  // A creation: the manifest, the superblock's second copy, its first.
  case creatingManifest
  case secondSuperblock
  case superblock
  // Writing.
  case segmentHeader
  case record
  /// How far the records of a segment may reach.
  case frontier
  case tombstone
  case seal
  case batchHeader
  /// Deferred writes that fill more than a segment.
  case deferredPart
  /// What a refused write leaves in its lane.
  case refusedWrite
  case extentHeader
  case extent
  /// A batch's extents.
  case batchExtents
  // A checkpoint: its runs, its commit, the headers of segments that it sets free.
  case run
  case checkpoint
  case freedSegment
  /// Copies of live records out of a segment that is to be set free.
  case copy
  // A close.
  case closingSegment
  case closingSeal
  case closingManifest
  // Recovery: what it begins with, what it erases, what it writes again, what it accepts from the owner before.
  case acceptedManifest
  case openingManifest
  case erasedSegment
  case erasedHeader
  case erasedRecord
  case erasedExtents
  case headerCopy
  case endSeal
  case proofSeal
  case acceptedHeader
  case acceptedRecords
  case acceptedExtents
  case recoveryAccept
  // Peers: a reservation's record, the lines of its extent that are cleared, the record that ends it, what a peer has
  // written, the record that makes it a value.
  case reservation
  case reservedExtent
  case release
  case peerPayload
  case peerRecord
}

/// What happens on the medium, in the order in which it happens there.
enum MediumEvent: Sendable, Equatable {
  /// Ordinary stores of whole lines.
  case store(site: MediumSite, offset: Int, bytes: [UInt8])
  /// Non-temporal stores of whole lines.
  case streamingStore(site: MediumSite, offset: Int, bytes: [UInt8])
  /// A write-back of the lines of a range.
  case flush(site: MediumSite, range: Range<Int>)
  /// A store fence of the calling thread.
  case fence(site: MediumSite)
  /// The domain's barrier: what was stored and fenced before it in `range` is durable now.
  case barrier(site: MediumSite, range: Range<Int>)
  /// The load that ends a barrier where writes are posted: what was fenced before it has reached the device now.
  case readBack(site: MediumSite, offset: Int)
  /// The read of a Persistent Memory Region's status register that ends a barrier, or looks whether all is well.
  case statusRead(site: MediumSite)
  /// This processor is about to read what another device wrote into a range.
  case peerRead(site: MediumSite, range: Range<Int>)
  /// The lines of a range were taken out of this processor's caches.
  case evict(site: MediumSite, range: Range<Int>)
  /// Another device has written some of what it was told to, by itself. Its pieces come in any order.
  case dma(offset: Int, bytes: [UInt8], identifier: UInt64)
  /// That device says that it is done.
  case dmaDone(identifier: UInt64)
}

/// Sees every event of a medium: a recorder, or a simulated device.
///
/// The calls come from the threads that make the events, at the moment of the event and before its effect.
protocol MediumObserver: AnyObject, Sendable {
  /// Takes note of `event`. An error is the medium's failure.
  func observe(_ event: MediumEvent) throws(StoreError)

  /// Takes note that recovery is about to load from `range`.
  func observe(load range: Range<Int>)
}

extension MediumObserver {
  func observe(load range: Range<Int>) {}
}
