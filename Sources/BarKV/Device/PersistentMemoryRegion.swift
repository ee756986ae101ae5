/// An NVMe Persistent Memory Region, decoded from the registers that describe it (NVMe 1.4 and later).
///
/// A pure function of the registers' words; reserved values answer `nil`.
public struct PersistentMemoryRegion: Sendable, Hashable {
  /// PMRCAP, at E00h.
  public let capabilities: UInt32
  /// PMRCTL, at E04h.
  public let control: UInt32
  /// PMRSTS, at E08h.
  public let status: UInt32
  /// PMREBS, at E0Ch.
  public let elasticityBuffer: UInt32
  /// PMRSWTP, at E10h.
  public let throughput: UInt32

  /// What the controller says of the region's health (PMRSTS.HSTS).
  public enum Health: Int, Sendable, Hashable, CaseIterable {
    /// Nothing is wrong.
    case normal = 0
    /// What the region held could not be restored.
    case restoreError = 1
    /// The region takes no more writes.
    case readOnly = 2
    /// The region no longer keeps what is written.
    case unreliable = 3
  }

  // MARK: PMRCAP

  /// Whether the controller's commands may read from the region (RDS).
  public var commandsMayRead: Bool { capabilities >> 3 & 1 != 0 }
  /// Whether the controller's commands may write to the region (WDS).
  public var commandsMayWrite: Bool { capabilities >> 4 & 1 != 0 }
  /// The BAR that is the region (BIR).
  public var barIndex: Int { Int(capabilities >> 5 & 0x7) }
  /// Whether a read from the region makes what was written before it persistent (PMRWBM, bit 0).
  public var memoryReadIsBarrier: Bool { capabilities >> 10 & 1 != 0 }
  /// Whether a read of PMRSTS makes what was written before it persistent (PMRWBM, bit 1).
  public var statusReadIsBarrier: Bool { capabilities >> 11 & 1 != 0 }
  /// How long the region may take to become ready or to go off (PMRTO in units of PMRTU), in milliseconds.
  public var timeoutMilliseconds: Int? {
    let count = Int(capabilities >> 16 & 0xFF)
    switch capabilities >> 8 & 0x3 {
    case 0: return count * 500
    case 1: return count * 60_000
    default: return nil
    }
  }
  /// Whether the region can be placed in the controller's own address space, for commands and peers (CMSS).
  public var supportsControllerAddresses: Bool { capabilities >> 24 & 1 != 0 }

  // MARK: PMRCTL and PMRSTS

  /// Whether the region is enabled (PMRCTL.EN).
  public var isEnabled: Bool { control & 1 != 0 }
  /// The error since the last reset (ERR); 0 for none.
  public var errorCode: Int { Int(status & 0xFF) }
  /// Whether the region is enabled and ready (NRDY is 0): only then are its reads and writes what they should be.
  public var isReady: Bool { isEnabled && status >> 8 & 1 == 0 }
  /// The region's health (HSTS).
  public var health: Health? { Health(rawValue: Int(status >> 9 & 0x7)) }
  /// Whether the address asked for in the controller's address space is refused (CBAI).
  public var controllerAddressIsInvalid: Bool { status >> 12 & 1 != 0 }

  // MARK: PMREBS and PMRSWTP

  /// Whether a read overtakes writes in the elasticity buffer that it has no byte in common with (RBB).
  public var readsBypassBuffer: Bool { elasticityBuffer >> 4 & 1 != 0 }
  /// How many bytes the region takes at full speed before it falls back to the sustained one (PMRWBZ in PMRSZU); 0 where
  /// nothing is said.
  public var elasticityBufferSize: UInt64? { Self.scaled(elasticityBuffer) }
  /// How many bytes a second the region takes for any time (PMRSWTV in PMRSWTU); 0 where nothing is said.
  public var sustainedWriteBytesPerSecond: UInt64? { Self.scaled(throughput) }

  /// A value in bits 31 to 8, in the unit of bits 3 to 0: bytes, KiB, MiB or GiB.
  private static func scaled(_ word: UInt32) -> UInt64? {
    let unit = word & 0xF
    return unit <= 3 ? UInt64(word >> 8) << (10 * unit) : nil
  }
}
