import CBarKVPCI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension PCIFunction {
  /// Lists the functions of the PCI bus, and judges for each BAR whether it can hold a store.
  ///
  /// Changes nothing: no driver is unbound, no memory space enabled, no region. The one access to a device itself is a read
  /// of an NVMe controller's registers, and that only where memory space is on, no driver is bound, and no lockdown holds.
  /// What cannot be read of one function is in its ``problem`` and in the findings; the others are listed all the same.
  ///
  /// - Parameter root: where sysfs is mounted; tests give a tree of their own.
  /// - Returns: the functions by ascending address.
  /// - Throws: ``StoreError/busUnreadable(_:)`` where there is no bus to list.
  public static func discover(sysfs root: String = "/sys") throws(StoreError) -> [PCIFunction] {
    let bus = "\(root)/bus/pci"
    guard !root.utf8.contains(0) else { throw .busUnreadable("a path has no zero byte") }
    var found: UnsafeMutablePointer<barkv_pci_function>?
    var count = 0
    var message = [CChar](repeating: 0, count: Int(BARKV_PCI_MESSAGE_BYTES))
    guard unsafe barkv_pci_scan(bus, &found, &count, &message), let found = unsafe found else {
      throw .busUnreadable(text(of: message))
    }
    defer { unsafe barkv_pci_release(found) }
    let lockdown = Lockdown(path: "\(root)/kernel/security/lockdown")
    return unsafe UnsafeBufferPointer(start: found, count: count)
      .compactMap { PCIFunction($0, bus: bus, lockdown: lockdown) }
      .sorted { $0.address < $1.address }
  }

  /// What the shim found; `nil` for an address that no function has.
  private init?(_ found: barkv_pci_function, bus: String, lockdown: Lockdown?) {
    guard
      let address = PCIAddress(
        domain: found.domain, bus: found.bus, device: found.device_number, function: found.function_number)
    else { return nil }
    let identity =
      found.known & UInt32(BARKV_PCI_KNOWS_IDENTITY) == 0
      ? nil
      : PCIIdentity(
        vendor: found.vendor, device: found.device, deviceClass: found.device_class,
        programmingInterface: found.programming_interface)
    let directory = "\(bus)/devices/\(address)"
    let driver = Self.name(in: found.driver)
    let command = found.known & UInt32(BARKV_PCI_KNOWS_CONFIG) == 0 ? nil : found.config.4
    // Bit 1 of the COMMAND register: the function answers in memory space.
    let isMemorySpaceEnabled = command.map { $0 >> 1 & 1 != 0 }
    let ranges = found.known & UInt32(BARKV_PCI_KNOWS_BARS) == 0 ? [] : Self.ranges(found, directory: directory)
    let circumstances = BarCircumstances(
      address: address, directory: directory, isConfigurationKnown: command != nil,
      isMemorySpaceEnabled: isMemorySpaceEnabled ?? false, driver: driver, lockdown: lockdown)
    let memory = identity?.isNVMeController == true ? circumstances.nvmeMemory(ranges) : nil
    self.init(
      address: address, directory: directory, identity: identity, driver: driver,
      numaNode: found.numa_node < 0 ? nil : Int(found.numa_node), iommuGroup: Self.name(in: found.iommu_group),
      isMemorySpaceEnabled: isMemorySpaceEnabled, nvmeMemory: memory,
      bars: ranges.map { circumstances.judge($0, memory: memory) },
      problem: Self.name(in: found.problem))
  }

  /// The ranges that the registers stand for.
  private static func ranges(_ found: barkv_pci_function, directory: String) -> [BarRange] {
    let registers = [found.bars.0, found.bars.1, found.bars.2, found.bars.3, found.bars.4, found.bars.5]
    return registers.enumerated().compactMap { index, register in
      // The upper half of a 64-bit register, or one that the function does not have.
      guard register.flags != 0 || register.base != 0 else { return nil }
      let resource = "\(directory)/resource\(index)"
      let isMemory = register.flags & ResourceFlag.memory != 0
      let addressBits: UInt64 = isMemory ? 0xF : 0x3
      return BarRange(
        index: index, address: register.base & ~addressBits, size: register.size, isMemory: isMemory,
        is64Bit: register.flags & ResourceFlag.is64Bit != 0,
        isPrefetchable: isMemory && (register.flags & ResourceFlag.prefetchable != 0 || register.base & 0x8 != 0),
        resourceFile: unsafe access(resource, F_OK) == 0 ? resource : nil,
        writeCombiningFile: unsafe access(resource + "_wc", F_OK) == 0 ? resource + "_wc" : nil,
        mayBeMapped: unsafe access(resource, R_OK | W_OK) == 0)
    }
  }

  /// The kernel's flags of a resource (`linux/ioport.h`).
  private enum ResourceFlag {
    static let memory: UInt64 = 0x200
    static let prefetchable: UInt64 = 0x2000
    static let is64Bit: UInt64 = 0x10_0000
  }

  /// The text in a C array; `nil` where it is empty.
  private static func name<Characters>(in characters: Characters) -> String? {
    let text = unsafe withUnsafeBytes(of: characters) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return text.isEmpty ? nil : text
  }

  private static func text(of characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
