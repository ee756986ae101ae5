/// What decides about a function's BARs beside the BARs themselves: pure values, so that each verdict can be tested.
struct BarCircumstances: Sendable {
  var address: PCIAddress
  /// The function's folder in sysfs.
  var directory: String
  var isConfigurationKnown: Bool
  var isMemorySpaceEnabled: Bool
  var driver: String?
  var lockdown: Lockdown?

  private typealias Finding = BaseAddressRegister.Finding

  // MARK: NVMe registers

  /// Reads an NVMe controller's registers, where that is allowed.
  func nvmeMemory(_ ranges: [BarRange]) -> NVMeMemoryState {
    if let obstacle = access.first { return .unread(obstacle.explanation) }
    guard let range = ranges.first(where: { $0.index == 0 }), range.isMemory, let file = range.resourceFile else {
      return .unread("there is no file that maps the controller's registers")
    }
    do throws(RegisterPage.Failure) {
      return .read(try RegisterPage.read(file))
    } catch {
      return .unread(error.explanation)
    }
  }

  // MARK: Verdicts

  /// Judges `range`.
  func judge(_ range: BarRange, memory: NVMeMemoryState?) -> BaseAddressRegister {
    let use = use(of: range, memory: memory)
    var findings = hopeless(range, use: use, memory: memory)
    // What could be done about a range that is no place for a store is of no interest.
    if findings.isEmpty {
      findings = access + access(to: range) + quality(of: range, use: use, memory: memory)
    }
    // What may still turn out to be a Persistent Memory Region or a volatile buffer has no name yet.
    let isNamed = !findings.contains { $0.verdict == .unsuitable || $0.kind == .registersUnread }
    let storeAddress = use == .persistentMemoryRegion ? "pmr:\(address)" : "pci:\(address)/\(range.index)"
    return BaseAddressRegister(
      index: range.index, address: range.address, size: range.size, isMemory: range.isMemory, is64Bit: range.is64Bit,
      isPrefetchable: range.isPrefetchable, resourceFile: range.resourceFile,
      writeCombiningFile: range.writeCombiningFile, use: use, findings: findings,
      storeAddress: isNamed ? storeAddress : nil)
  }

  /// What `range` is known to be.
  private func use(of range: BarRange, memory: NVMeMemoryState?) -> BaseAddressRegister.Use {
    guard let memory else { return .unknown }
    guard range.index != 0 else { return .registers }
    guard case .read(let memory) = memory else { return .unknown }
    if memory.controllerMemoryBuffer?.barIndex == range.index { return .controllerMemoryBuffer }
    return memory.persistentMemoryRegion?.barIndex == range.index ? .persistentMemoryRegion : .unknown
  }

  /// Why there can be no store in `range`, whatever is done.
  private func hopeless(
    _ range: BarRange, use: BaseAddressRegister.Use, memory: NVMeMemoryState?
  ) -> [BaseAddressRegister.Finding] {
    guard range.isMemory else { return [Finding(.inputOutput, "it is I/O ports, not memory")] }
    guard range.size > 0 else {
      return [Finding(.unassigned, "it has no address: neither firmware nor kernel gave it one")]
    }
    var findings: [BaseAddressRegister.Finding] = []
    switch use {
    case .registers: findings.append(Finding(.controllerRegisters, "it is the NVMe controller's registers"))
    case .controllerMemoryBuffer:
      findings.append(Finding(.controllerMemoryBuffer, "it is a controller memory buffer, which is volatile"))
    case .unknown:
      if case .read(let memory) = memory, memory.controllerMemoryBuffer?.isLocated == false {
        findings.append(
          Finding(
            .controllerMemoryBuffer,
            "the controller has a volatile memory buffer, does not tell in which BAR, and it may be this one"))
      }
    case .persistentMemoryRegion:
      if let region = Self.region(memory), !region.memoryReadIsBarrier, !region.statusReadIsBarrier {
        findings.append(
          Finding(.regionWithoutBarrier, "the Persistent Memory Region names no read that makes writes persistent"))
      }
    }
    if !range.isPrefetchable, use == .unknown {
      findings.append(
        Finding(
          .notPrefetchable, "it is not prefetchable: the device's registers may be there, and reads may have effects")
      )
    }
    if range.size < UInt64(Geometry.minimumRegionBytes) {
      findings.append(
        Finding(.tooSmall, "it has \(range.size) bytes, and the smallest store has \(Geometry.minimumRegionBytes)"))
    }
    return findings
  }

  /// What keeps this process from all of the function's BARs.
  private var access: [BaseAddressRegister.Finding] {
    var findings: [BaseAddressRegister.Finding] = []
    if let driver {
      findings.append(
        Finding(
          .driverBound, "the driver \(driver) is bound to the device and may use it",
          remedy: "end what uses the device (a file system on it, for one), then as root: "
            + "echo \(address) > \(directory)/driver/unbind"))
    }
    if !isConfigurationKnown {
      findings.append(
        Finding(
          .configurationUnreadable, "the configuration space cannot be read, so whether the device answers is unknown",
          remedy: "look at \(directory)/config as root; if it is empty or all ones, reset or reseat the device"))
    } else if !isMemorySpaceEnabled {
      findings.append(
        Finding(
          .memorySpaceOff, "the device does not answer in memory space",
          remedy: "with no driver bound, as root: echo 1 > \(directory)/enable"))
    }
    if let lockdown, lockdown != .none {
      findings.append(
        Finding(
          .lockedDown, "the kernel is locked down (\(lockdown.rawValue)) and lets nobody map a BAR",
          remedy: "start the machine without lockdown: without lockdown= on the kernel's command line, and on many "
            + "systems with Secure Boot off"))
    }
    return findings
  }

  /// What keeps this process from `range`.
  private func access(to range: BarRange) -> [BaseAddressRegister.Finding] {
    guard let file = range.resourceFile else {
      return [Finding(.noResourceFile, "the kernel offers no file \(directory)/resource\(range.index) to map it by")]
    }
    guard range.mayBeMapped else {
      return [
        Finding(.noPermission, "this process may not open \(file) for writing", remedy: "run as root")
      ]
    }
    return []
  }

  /// How good a store's place `range` is.
  private func quality(
    of range: BarRange, use: BaseAddressRegister.Use, memory: NVMeMemoryState?
  ) -> [BaseAddressRegister.Finding] {
    var findings: [BaseAddressRegister.Finding] = []
    if let region = Self.region(memory), use == .persistentMemoryRegion {
      findings += state(of: region)
    } else if case .unread(let reason) = memory {
      findings.append(
        Finding(
          .registersUnread,
          "whether it is a Persistent Memory Region or a volatile buffer is in the controller's registers, and these were "
            + "not read: \(reason)",
          remedy: "put that right, then list the devices again"))
    } else {
      findings.append(
        Finding(
          .useUnknown, "nothing says that it is memory, nor that it outlives a power cut: ask the device's maker"))
    }
    if range.writeCombiningFile == nil {
      findings.append(
        Finding(.noWriteCombining, "there is no file that maps it with write combining: writes would be slow"))
    }
    return findings
  }

  /// What a Persistent Memory Region says of itself. Its status counts only while it is ready.
  private func state(of region: PersistentMemoryRegion) -> [BaseAddressRegister.Finding] {
    guard region.isReady else {
      return [
        Finding(.regionOff, "the Persistent Memory Region is not enabled and ready yet, so its health is not known")
      ]
    }
    var findings: [BaseAddressRegister.Finding] = []
    if region.errorCode != 0 {
      findings.append(
        Finding(
          .regionFailed, "the Persistent Memory Region reports error \(region.errorCode)",
          remedy: "reset the device: as root, echo 1 > \(directory)/reset"))
    }
    switch region.health {
    case .normal: break
    case .restoreError:
      findings.append(
        Finding(.regionRestoreFailed, "the Persistent Memory Region could not restore what it held: that is lost"))
    case .readOnly:
      findings.append(
        Finding(.regionReadOnly, "the Persistent Memory Region takes no more writes", remedy: "replace the device"))
    case .unreliable, nil:
      findings.append(
        Finding(
          .regionFailed, "the Persistent Memory Region does not promise to keep what is written",
          remedy: "look at the device's health log, and replace it"))
    }
    return findings
  }

  /// The Persistent Memory Region, where one is known.
  private static func region(_ memory: NVMeMemoryState?) -> PersistentMemoryRegion? {
    guard case .read(let memory) = memory else { return nil }
    return memory.persistentMemoryRegion
  }
}
