/// The memory that an NVMe controller offers beside its blocks, decoded from its registers.
public struct NVMeMemory: Sendable, Hashable {
  /// The Persistent Memory Region, where there is one (CAP.PMRS).
  public let persistentMemoryRegion: PersistentMemoryRegion?
  /// The controller memory buffer, where there is one (CAP.CMBS; CMBSZ on controllers older than that bit).
  public let controllerMemoryBuffer: ControllerMemoryBuffer?

  /// Decodes registers, each of which `register` answers by its offset. Those of a Persistent Memory Region are asked for
  /// only where there is one.
  ///
  /// - Returns: `nil` where no controller answers: a function that is gone, asleep or in a reset reads as all ones.
  init?(_ register: (_ offset: Int) -> UInt32) {
    let (low, high) = (register(0x00), register(0x04))
    guard low != .max || high != .max else { return nil }
    let location = register(0x38), extent = register(0x3C)
    let hasBuffer = high >> 25 & 1 != 0 || extent != 0
    controllerMemoryBuffer = hasBuffer ? ControllerMemoryBuffer(location: location, extent: extent) : nil
    guard high >> 24 & 1 != 0 else {
      persistentMemoryRegion = nil
      return
    }
    let region = PersistentMemoryRegion(
      capabilities: register(0xE00), control: register(0xE04), status: register(0xE08),
      elasticityBuffer: register(0xE0C), throughput: register(0xE10))
    guard region.capabilities != .max, region.status != .max else { return nil }
    persistentMemoryRegion = region
  }
}

/// What is known of an NVMe controller's memory.
public enum NVMeMemoryState: Sendable, Hashable {
  /// The registers were read.
  case read(NVMeMemory)
  /// The registers were left alone, or do not answer; with the reason.
  case unread(String)
}
