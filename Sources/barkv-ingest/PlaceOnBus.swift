import BarKV
import PeerDevices

/// The place of a value as a device is told of it.
enum PlaceOnBus {
  /// The pieces' bus addresses, joined where one follows the other.
  ///
  /// - Throws: ``Failure`` where the place has no bus address.
  static func ranges(_ pieces: ScatterList, noAddress: NoBusAddress?) throws -> [BusRange] {
    var ranges: [BusRange] = []
    for piece in pieces {
      guard let address = piece.address, let range = BusRange(start: address.value, length: piece.length) else {
        throw Failure(
          Failure.usage, "the store's place is unknown on the bus: \(noAddress?.description ?? "it has no address")")
      }
      if let last = ranges.last, last.start + UInt64(last.length) == range.start,
        let joined = BusRange(start: last.start, length: last.length + range.length)
      {
        ranges[ranges.count - 1] = joined
      } else {
        ranges.append(range)
      }
    }
    return ranges
  }
}
