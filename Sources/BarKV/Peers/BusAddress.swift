/// Where another PCIe device finds some of a region, and how that is known.
public struct BusAddress: Sendable, Hashable {
  /// Who says so.
  public enum Source: String, Sendable, Hashable, CaseIterable {
    /// The BAR's start as sysfs lists it: a physical address, which is the bus address where no IOMMU translates.
    case sysfsBar
    /// The base that an NVMe controller was given for its own Persistent Memory Region (PMRMSCL, PMRMSCU): meant for
    /// that controller's own commands.
    case pmrControllerBase
    /// The base that the caller gave (``StoreOptions/peerAddressBase``): an IOVA that it has mapped, or what a driver calls
    /// the address of memory that was registered with it.
    case caller
  }

  /// The address that a device is to be given.
  public let value: UInt64
  /// How it is known.
  public let source: Source

  /// The address so many bytes on.
  func advanced(by bytes: Int) -> BusAddress { BusAddress(value: value &+ UInt64(bytes), source: source) }
}

extension BusAddress: CustomStringConvertible {
  /// The address in hexadecimal digits, with `0x`.
  public var description: String { "0x" + String(value, radix: 16) }
}

/// Why a store cannot say at what address another device finds it.
public enum NoBusAddress: Sendable, Hashable {
  /// A file's pages have no address on the bus. A process that maps the file, or a driver that registers the mapping, reaches
  /// it by the offset.
  case file
  /// DAX memory: its physical address is known to root alone, and is an address for devices only where no IOMMU translates.
  case dax
  /// Memory of this process.
  case memory
  /// An IOMMU translates what devices ask for, so a physical address is not what they have to be given.
  case translated(group: String, domain: String)
}

extension NoBusAddress: CustomStringConvertible {
  /// Why there is none, and what to do, in a sentence.
  public var description: String {
    switch self {
    case .file:
      "A file has no bus address: write it by its offset through a mapping of the file, or map it for the device and give "
        + "that address as the base."
    case .dax:
      "The physical address of DAX memory is not known here: map it for the device and give that address as the base."
    case .memory:
      "The region is memory of this process: map it for the device and give that address as the base."
    case .translated(let group, let domain):
      "An IOMMU translates the addresses that devices use (group \(group), domain \(domain)): map the BAR for the device, as "
        + "by VFIO, and give the IOVA of its start as the base."
    }
  }
}
