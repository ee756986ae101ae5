/// An NVMe controller memory buffer, decoded from the registers CMBLOC and CMBSZ: memory that does not outlive a power cut,
/// and so no place for a store.
public struct ControllerMemoryBuffer: Sendable, Hashable {
  /// CMBLOC, at 38h.
  public let location: UInt32
  /// CMBSZ, at 3Ch.
  public let extent: UInt32

  /// Whether the controller tells where the buffer is: since NVMe 1.4 it does so only to a host that has asked for it.
  public var isLocated: Bool { extent >> 12 != 0 }

  /// The BAR that the buffer is in (BIR), or `nil` while it is not told.
  public var barIndex: Int? { isLocated ? Int(location & 0x7) : nil }

  /// The buffer's size in bytes, or `nil` where it is not told, or in a unit that the standard leaves open.
  public var size: UInt64? {
    let unit = extent >> 8 & 0xF
    // 4 KiB, and sixteen times the one before, up to 64 GiB.
    return isLocated && unit <= 6 ? UInt64(extent >> 12) << (12 + 4 * unit) : nil
  }
}
