/// One of a function's base address registers (BAR): a range of addresses through which the processor reaches the device,
/// and whether that range can hold a store.
public struct BaseAddressRegister: Sendable, Hashable {
  /// What the range is known to be.
  public enum Use: String, Sendable, Hashable, CaseIterable {
    /// Nothing is known but what the register says.
    case unknown
    /// An NVMe controller's registers.
    case registers
    /// An NVMe controller's memory buffer (CMB), which does not outlive a power cut.
    case controllerMemoryBuffer
    /// An NVMe Persistent Memory Region (PMR).
    case persistentMemoryRegion
  }

  /// Whether the range can hold a store.
  public enum Verdict: String, Sendable, Hashable, CaseIterable {
    /// Nothing that is known stands in the way.
    case ready
    /// It can, once what ``findings`` name is done.
    case blocked
    /// It cannot.
    case unsuitable
  }

  /// The register's number, 0 to 5.
  public let index: Int
  /// The processor's address of the range.
  public let address: UInt64
  /// The range's size in bytes; 0 where it has no address.
  public let size: UInt64
  /// Whether the range is memory; otherwise it is I/O ports.
  public let isMemory: Bool
  /// Whether the register has 64 bits, and so takes the next one's place, too.
  public let is64Bit: Bool
  /// Whether the device says that reads of the range have no effects and writes may be merged.
  public let isPrefetchable: Bool
  /// The file that maps the range uncached, where there is one.
  public let resourceFile: String?
  /// The file that maps the range with write combining, where there is one.
  public let writeCombiningFile: String?
  /// What the range is known to be.
  public let use: Use
  /// All that speaks against a store in this range, and what is worth knowing about one.
  public let findings: [Finding]
  /// The address that names this range as a store's place, whether or not a build can open it; `nil` where no store can be
  /// there, and while it is not known what an NVMe controller has there.
  public let storeAddress: String?

  /// Whether the range can hold a store: the worst of the findings.
  public var verdict: Verdict {
    findings.map(\.verdict).max { $0.rank < $1.rank } ?? .ready
  }

  /// What a barrier there could prove at best, or `nil` where there is no ``storeAddress``: `persistent` only where a
  /// standard says that the range is.
  public var bestLevel: PersistenceLevel? {
    guard storeAddress != nil else { return nil }
    return use == .persistentMemoryRegion ? .persistent : .deviceAccepted
  }
}

extension BaseAddressRegister.Verdict {
  /// The larger, the worse.
  fileprivate var rank: Int {
    switch self {
    case .ready: 0
    case .blocked: 1
    case .unsuitable: 2
    }
  }
}
