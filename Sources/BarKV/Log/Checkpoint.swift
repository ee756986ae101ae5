/// A moment at which no write was half done, with the index of all that was written before: what opening goes on from.
///
/// What was written later is the log's *tail*: segments of later generations, and the open segments' records from the lines
/// on that are named here. Opening reads the tail and nothing else of the log.
struct Checkpoint: Sendable, Equatable {
  /// The generation given out last. Segments with a later one are of the tail.
  var generation: UInt64
  /// The sequence number given out last. All of the tail has higher ones.
  var sequence: UInt64
  /// How many keys there were, and how many lines their records and extents took up.
  var keys: Int
  var liveLines: Int
  /// The number given to a run last.
  var runNumber: UInt64
  /// The log segments that took more records afterwards, and how many of their lines were in use.
  var open: [Manifest.OpenSegment] = []
  /// What each segment was used for.
  var segments: [SegmentUse] = []
  /// The runs that are the index: base runs in the order of their ranges, then delta runs, the oldest first.
  var runs: [RunReference] = []
  /// The records of the reservations that were open.
  var reservations: [ReservationReference] = []

  /// Whether the numbers can be what a store has written: a right checksum proves nothing about intent.
  func isSensible(_ geometry: Geometry) -> Bool {
    let lines = geometry.regionBytes / lineSize
    return sequence < Manifest.countLimit && runNumber < Manifest.countLimit && keys >= 0 && keys <= lines
      && liveLines >= 0 && liveLines <= lines
      && open.allSatisfy {
        Int($0.segment) < geometry.segmentCount && Int($0.lines) * lineSize <= geometry.segmentSize
          && Int($0.lines) * lineSize >= Geometry.segmentHeaderBytes && segments[Int($0.segment)].kind == .log
      }
      && segments.allSatisfy { $0.used * lineSize <= geometry.regionBytes && $0.dead <= $0.used }
      && reservations.allSatisfy {
        $0.offset % UInt64(lineSize) == 0 && $0.offset >= UInt64(geometry.firstSegment)
          && $0.offset < UInt64(geometry.segmentOffset(geometry.segmentCount))
      }
  }
}

/// What a segment is used for, and how much of it: one word of a checkpoint.
struct SegmentUse: Sendable, Equatable {
  let word: UInt64

  private static let lineBits: UInt64 = 31
  private static let lineMask: UInt64 = 1 << lineBits - 1

  init(word: UInt64) { self.word = word }

  /// - Parameters:
  ///   - used: the lines in use, headers included.
  ///   - dead: the lines that no key needs.
  init(kind: SegmentKind, used: Int, dead: Int) {
    word =
      UInt64(kind.rawValue) << (2 * Self.lineBits) | (UInt64(truncatingIfNeeded: used) & Self.lineMask) << Self.lineBits
      | UInt64(truncatingIfNeeded: dead) & Self.lineMask
  }

  var kind: SegmentKind { SegmentKind(rawValue: UInt8(truncatingIfNeeded: word >> (2 * Self.lineBits))) ?? .free }
  var used: Int { Int(truncatingIfNeeded: word >> Self.lineBits & Self.lineMask) }
  var dead: Int { Int(truncatingIfNeeded: word & Self.lineMask) }
}
