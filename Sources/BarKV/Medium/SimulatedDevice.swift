/// A slow device for measuring: the store is on a file, and barriers and reads take the time that they would take there.
///
/// What is written is made durable as on a BAR, by a load from the region, which proves nothing on a file: the level is
/// ``PersistenceLevel/process``.
@_spi(Simulation) public struct SimulatedDevice: Sendable, Hashable {
  /// How much longer the load that ends a barrier takes, in nanoseconds. 1,000 is about what a PCIe device needs.
  public var barrierNanoseconds: UInt64
  /// How much longer a line of 64 bytes takes to read, in nanoseconds; 0 for a region that is read in place. 128 is about what
  /// write-combining mappings need, 8,000 uncached ones.
  public var readNanosecondsPerLine: UInt64

  /// A device with these costs.
  public init(barrierNanoseconds: UInt64, readNanosecondsPerLine: UInt64 = 0) {
    self.barrierNanoseconds = barrierNanoseconds
    self.readNanosecondsPerLine = readNanosecondsPerLine
  }

  /// How a store persists there.
  var persistence: Persistence {
    Persistence(
      domain: .readBack, level: .process, reason: "a device is simulated: its barrier proves nothing on a file")
  }
}
