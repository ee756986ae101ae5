/// How a store makes its writes durable: what the barrier consists of.
public enum PersistenceDomain: String, Sendable, Hashable, CaseIterable {
  /// Lines bypass the cache or are written back by libpmem, and a store fence orders them: persistent memory.
  case cacheFlush
  /// Stores to an NVMe Persistent Memory Region, a store fence, and then a read of the controller's register PMRSTS, whose
  /// completion says that they are persistent (PMRCAP.PMRWBM, bit 1).
  case pmrStatusRead
  /// Stores to an NVMe Persistent Memory Region, a store fence, and then a read from the region, whose completion says that
  /// they are persistent (PMRCAP.PMRWBM, bit 0).
  case pmrMemoryRead
  /// Stores to a PCIe BAR, a store fence, and then a load from it, which pushes what was posted to the device.
  case readBack
  /// The range is written to the file's device by `pmem_msync`.
  case fileSync
  /// A store fence only: the kernel's page cache holds the data.
  case processOnly

  /// Whether the region is a device's memory behind a bus: a barrier there ends with a read from the device.
  public var isBehindBus: Bool {
    switch self {
    case .pmrStatusRead, .pmrMemoryRead, .readBack: true
    case .cacheFlush, .fileSync, .processOnly: false
    }
  }
}

/// What a barrier proves.
public enum PersistenceLevel: String, Sendable, Hashable, CaseIterable {
  /// Data survives loss of power, as far as the device keeps what it acknowledged.
  case persistent
  /// Data has reached the device; whether it keeps it without power is the device's promise, which nobody has made.
  case deviceAccepted
  /// Data survives the end of this process, but not of the machine.
  case process
}

/// Which domain a store uses, what it proves here, and why.
public struct Persistence: Sendable, Hashable {
  /// What the barrier consists of.
  public let domain: PersistenceDomain
  /// What the barrier proves on this medium; never more than is known.
  public let level: PersistenceLevel
  /// Why the domain was chosen and the level holds, in words for a person.
  public let reason: String

  /// What an acknowledged write survives, in a sentence for a person.
  public var verdict: String {
    switch (level, domain) {
    case (.persistent, .pmrStatusRead), (.persistent, .pmrMemoryRead):
      "An acknowledged write survives loss of power: the NVMe standard says so of the read that ends this barrier."
    case (.persistent, .cacheFlush):
      "An acknowledged write survives loss of power, on a platform that keeps what has reached its memory controllers (ADR)."
    case (.persistent, _):
      "An acknowledged write survives loss of power, as far as the device keeps what it acknowledges to the kernel."
    case (.deviceAccepted, _):
      "An acknowledged write has reached the device. Whether that keeps it without power is a promise of its maker's, which "
        + "nothing here can measure."
    case (.process, _):
      "An acknowledged write survives the end of the process, however it ends, and not that of the machine."
    }
  }
}
