/// A function of a device on the PCI bus, with the ranges of addresses that it offers.
///
/// ```swift
/// for function in try PCIFunction.discover() {
///   for bar in function.bars where bar.verdict == .ready {
///     print(bar.storeAddress ?? "", bar.size, bar.findings.map(\.explanation))
///   }
/// }
/// ```
public struct PCIFunction: Sendable, Hashable {
  /// Where the function is.
  public let address: PCIAddress
  /// Its folder in sysfs.
  public let directory: String
  /// Who made it, what it is, and what it does; `nil` where that cannot be read.
  public let identity: PCIIdentity?
  /// The driver that is bound to it.
  public let driver: String?
  /// The NUMA node that it is attached to.
  public let numaNode: Int?
  /// The IOMMU group that it is in.
  public let iommuGroup: String?
  /// Whether it answers in memory space; `nil` where its configuration space cannot be read.
  public let isMemorySpaceEnabled: Bool?
  /// What is known of an NVMe controller's memory; `nil` for other functions.
  public let nvmeMemory: NVMeMemoryState?
  /// The ranges of addresses that it has, in the order of their registers.
  public let bars: [BaseAddressRegister]
  /// The first thing about it that could not be read.
  public let problem: String?
}

/// Who made a PCI function, what it is, and what it does.
public struct PCIIdentity: Sendable, Hashable {
  /// The maker's number.
  public let vendor: UInt16
  /// The maker's number for the device.
  public let device: UInt16
  /// The class, in the upper byte, and subclass.
  public let deviceClass: UInt16
  /// The programming interface within the class.
  public let programmingInterface: UInt8

  /// Whether this is an NVMe controller.
  public var isNVMeController: Bool { deviceClass == 0x0108 && programmingInterface == 0x02 }
}
