import SystemPackage

/// Finds a device by its address and brings it up until its BAR can be mapped.
///
/// Nothing is changed before it is known that no driver is bound and that the BAR is no hopeless place.
struct DeviceOpening: Sendable {
  /// The store's address in text.
  let address: String
  let place: StoreAddress.Place
  let access: Access
  /// Where sysfs is mounted.
  let sysfs: String

  /// A device whose BAR can be mapped.
  struct Device: Sendable {
    var bar: BaseAddressRegister
    var configuration: ConfigurationSpace
    /// What keeps the function awake.
    var power: PowerControl
    /// The file that maps the controller's registers, where the BAR is a Persistent Memory Region.
    var registerFile: String?
    /// The region's registers as they were when it was found.
    var region: PersistentMemoryRegion?
  }

  /// - Throws: ``StoreError/noSuchDevice(_:)``, ``StoreError/deviceUnusable(_:reason:remedy:)``,
  ///   ``StoreError/busUnreadable(_:)``.
  func run() throws(StoreError) -> Device {
    var function = try find()
    // Before the bus is touched: what no bring-up mends.
    try refuse(function, mending: [.memorySpaceOff, .registersUnread])
    let power = try PowerControl(holding: function.directory)
    do throws(StoreError) {
      return try bringUp(&function, power)
    } catch {
      // Nobody has a store in a device that cannot be brought up.
      power.restore()
      throw error
    }
  }

  private func bringUp(_ function: inout PCIFunction, _ power: PowerControl) throws(StoreError) -> Device {
    let configuration = ConfigurationSpace(directory: function.directory)
    if function.isMemorySpaceEnabled == false {
      guard configuration.enableMemorySpace() else {
        throw .deviceUnusable(
          address, reason: "the device does not answer in memory space, and that could not be switched on",
          remedy: "run as root; for an SR-IOV virtual function switch it on in the physical one")
      }
      function = try find()
    }
    try refuse(function, mending: [])
    guard let bar = bar(of: function) else { throw missing(function) }
    guard case .persistentMemoryRegion = place else {
      return Device(bar: bar, configuration: configuration, power: power)
    }
    return Device(
      bar: bar, configuration: configuration, power: power,
      registerFile: function.bars.first { $0.index == 0 }?.resourceFile,
      region: function.persistentMemoryRegion)
  }

  private var function: PCIAddress? {
    switch place {
    case .bar(let address, _), .persistentMemoryRegion(let address): address
    case .file, .dax, .malformed: nil
    }
  }

  private func find() throws(StoreError) -> PCIFunction {
    let functions = try PCIFunction.discover(sysfs: sysfs)
    guard let found = functions.first(where: { $0.address == function }) else { throw .noSuchDevice(address) }
    return found
  }

  /// The BAR that the address names; `nil` where there is none, or it is not known yet which it is.
  private func bar(of function: PCIFunction) -> BaseAddressRegister? {
    switch place {
    case .bar(_, let index): return function.bars.first { $0.index == index }
    case .persistentMemoryRegion: return function.bars.first { $0.use == .persistentMemoryRegion }
    case .file, .dax, .malformed: return nil
    }
  }

  /// Throws what speaks against the address, but for what is going to be mended.
  private func refuse(
    _ function: PCIFunction, mending: Set<BaseAddressRegister.Finding.Kind>
  ) throws(StoreError) {
    // What is said of the function as a whole is said of each of its BARs.
    let candidates = bar(of: function).map { [$0] } ?? function.bars.filter { isCandidate($0) }
    for finding in candidates.flatMap(\.findings) where finding.verdict != .ready && !mending.contains(finding.kind) {
      if access == .readOnly, Self.leavesReading.contains(finding.kind) { continue }
      throw .deviceUnusable(address, reason: finding.explanation, remedy: finding.remedy)
    }
    guard case .bar = place, let bar = bar(of: function) else { return }
    if bar.use == .persistentMemoryRegion {
      throw .deviceUnusable(
        address, reason: "it is a Persistent Memory Region, whose barrier is another one",
        remedy: "name it \(bar.storeAddress ?? "by pmr:")")
    }
  }

  /// What keeps a region from taking a store's writes, and not from being read.
  private static let leavesReading: Set<BaseAddressRegister.Finding.Kind> = [.regionFailed, .regionReadOnly]

  /// Whether a BAR of an NVMe controller may turn out to be the region.
  private func isCandidate(_ bar: BaseAddressRegister) -> Bool {
    guard case .persistentMemoryRegion = place else { return false }
    return bar.use == .unknown && bar.findings.contains { $0.kind == .registersUnread }
  }

  private func missing(_ function: PCIFunction) -> StoreError {
    guard case .persistentMemoryRegion = place else {
      return .deviceUnusable(address, reason: "the function has no such BAR", remedy: "look with kvcli devices")
    }
    guard let memory = function.nvmeMemory else {
      return .deviceUnusable(address, reason: "the function is no NVMe controller", remedy: "look with kvcli devices")
    }
    if case .unread(let reason) = memory {
      return .deviceUnusable(address, reason: "the controller's registers were not read: \(reason)", remedy: nil)
    }
    return .deviceUnusable(
      address, reason: "the controller has no Persistent Memory Region", remedy: "look with kvcli devices")
  }
}

extension PCIFunction {
  /// The Persistent Memory Region that its registers describe.
  var persistentMemoryRegion: PersistentMemoryRegion? {
    guard case .read(let memory) = nvmeMemory else { return nil }
    return memory.persistentMemoryRegion
  }
}
