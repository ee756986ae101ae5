import BarKV
import PeerDevices

extension BusRange {
  /// The place of a reserved or leased value as a device is told of it. Values are contiguous.
  ///
  /// - Throws: ``Failure`` where the place has no bus address.
  init(_ address: BusAddress?, length: Int, noAddress: NoBusAddress?) throws {
    guard let address, let range = BusRange(start: address.value, length: length) else {
      throw Failure(
        Failure.usage, "a device cannot be told where the store is. \(noAddress?.description ?? "It has no address.")")
    }
    self = range
  }
}
