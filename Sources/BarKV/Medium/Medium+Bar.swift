import CBarKV
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Stores in the memory behind a PCIe BAR.
extension Medium {
  /// Opens the BAR that `address` names as a medium, and brings the device up for that.
  ///
  /// - Throws: ``StoreError/noSuchDevice(_:)``, ``StoreError/deviceUnusable(_:reason:remedy:)``,
  ///   ``StoreError/busy(path:owner:)``, ``StoreError/busUnreadable(_:)``, ``StoreError/system(call:errno:)``.
  static func openBar(at address: StoreAddress, access: Access, options: StoreOptions) throws(StoreError) -> Medium {
    let opening = DeviceOpening(address: address.path, place: address.place, access: access, sysfs: options.sysfs)
    let device = try opening.run()
    guard let file = device.bar.resourceFile else {
      throw .deviceUnusable(address.path, reason: "there is no file that maps it", remedy: nil)
    }
    let descriptor: FileDescriptor
    do throws(StoreError) {
      descriptor = try MappedFile.open(path: file, access: access)
    } catch {
      // Whoever has the lock has the function awake: what was there before is theirs to write back.
      if case .busy = error { throw .busy(path: address.path, owner: nil) }
      throw error
    }
    return try bringUp(device, descriptor: descriptor, address: address, access: access, options: options)
  }

  /// Opens the BAR that `address` names for a new store: what was there is gone on return, and all its bytes are zero.
  ///
  /// - Parameters:
  ///   - size: the region's size, which must be the BAR's; `nil` for just that.
  ///   - replacing: whether the BAR may hold something.
  /// - Throws: what ``openBar(at:access:options:)`` throws; ``StoreError/alreadyExists(_:)`` where the place of the
  ///   superblocks is not blank; ``StoreError/invalidSize(bytes:reason:)``.
  static func createBar(
    at address: StoreAddress, size: Int?, replacing: Bool, options: StoreOptions
  ) throws(StoreError) -> Medium {
    return try openBar(at: address, access: .readWrite, options: options)
      .cleared(size: size, replacing: replacing, path: address.path)
  }

  /// The second half of opening, once the BAR is locked.
  private static func bringUp(
    _ device: DeviceOpening.Device, descriptor: FileDescriptor, address: StoreAddress, access: Access,
    options: StoreOptions
  ) throws(StoreError) -> Medium {
    let bar = device.bar
    var backing = MappedBar(
      bar: bar, descriptor: descriptor, configuration: device.configuration, power: device.power, access: access)
    do throws(StoreError) {
      var barrierRead = BarrierRead()
      var persistence = Persistence(
        domain: .readBack, level: .deviceAccepted,
        reason:
          "a PCIe BAR: a load pushes what was posted to the device, and what that keeps without power is its maker's "
          + "promise")
      if let region = device.region, let file = device.registerFile {
        let registers = try RegionRegisters(path: file, address: address.path)
        let ready = try registers.enable(address: address.path)
        try refuse(ready, access: access, address: address.path)
        barrierRead = BarrierRead(registers, knownHealth: ready.health ?? .normal)
        persistence = self.persistence(of: region)
      }
      let mapping = try unsafe MappedBar.map(bar, descriptor: descriptor, access: access, address: address.path)
      backing.controlLength = unsafe mapping.controlLength
      backing.look(options.sysfs)
      let mirror = unsafe Mirror.make(of: mapping.base, length: backing.length, options)
      let medium = unsafe Medium(
        base: mapping.base, length: backing.length, isWritable: access == .readWrite,
        persistence: Persistence(
          domain: persistence.domain, level: persistence.level,
          reason: "\(persistence.reason); \(backing.mappingInWords)"),
        backing: .bar(backing), sharesBarriers: true, observer: nil, canVanish: mirror == nil, barrierRead: barrierRead,
        uncachedBytes: backing.memoryType == .uncached ? backing.length : backing.controlLength, mirror: mirror)
      do throws(StoreError) {
        try unsafe medium.loss.beginGuard(mapping.base, length: backing.length, isWritable: access == .readWrite)
        try medium.startMirror()
      } catch {
        mirror?.close()
        unsafe MediumLoss.endGuard(mapping.base)
        unsafe munmap(mapping.base, backing.length)
        throw error
      }
      return medium
    } catch {
      backing.release()
      throw error
    }
  }

  private static func persistence(of region: PersistentMemoryRegion) -> Persistence {
    if region.statusReadIsBarrier {
      return Persistence(
        domain: .pmrStatusRead, level: .persistent,
        reason: "an NVMe Persistent Memory Region: PMRCAP.PMRWBM says that a read of PMRSTS makes writes persistent")
    }
    return Persistence(
      domain: .pmrMemoryRead, level: .persistent,
      reason: "an NVMe Persistent Memory Region: PMRCAP.PMRWBM says that a read from it makes writes persistent")
  }

  /// Throws where a region that is ready says that it is no place for what is asked.
  private static func refuse(_ region: PersistentMemoryRegion, access: Access, address: String) throws(StoreError) {
    // What is lost already is no reason against a look at the rest; opening checks all that it finds.
    guard access == .readWrite,
      let problem = BarrierRead.problem(region.status, knownHealth: .restoreError)
    else { return }
    throw .deviceUnusable(
      address, reason: problem, remedy: "open it read-only to save what is there, then reset or replace the device")
  }
}
