/// A part of a region that another device reads or writes in one go.
public struct PeerPiece: Sendable, Hashable {
  /// Where it starts, from the region's start.
  public let offset: Int
  /// How many bytes it has.
  public let length: Int
  /// Where a device finds it; `nil` where that is not known.
  public let address: BusAddress?
}

/// The pieces of a range of the region, in ascending order, each of the same length but the last: what a device is given
/// that takes a list, or no more than so much at a time. Made as they are asked for.
public struct ScatterList: RandomAccessCollection, Sendable, Hashable {
  private let range: PeerRange
  private let pieceLength: Int

  init(_ range: PeerRange, pieceLength: Int) {
    self.range = range
    self.pieceLength = Swift.max(1, pieceLength)
  }

  /// The index of the first piece.
  public var startIndex: Int { 0 }
  /// The index behind the last piece.
  public var endIndex: Int { range.length == 0 ? 0 : (range.length - 1) / pieceLength + 1 }

  /// - Precondition: `index` is one of the list's.
  public subscript(index: Int) -> PeerPiece {
    precondition(indices.contains(index), "no such piece")
    let start = index * pieceLength
    return PeerPiece(
      offset: range.offset + start, length: Swift.min(pieceLength, range.length - start),
      address: range.address?.advanced(by: start))
  }
}

/// A range of the region with all that another device needs to know of it.
struct PeerRange: Sendable, Hashable {
  var offset: Int
  var length: Int
  var address: BusAddress?
  var controllerAddress: BusAddress?
  var noAddress: NoBusAddress?
}
