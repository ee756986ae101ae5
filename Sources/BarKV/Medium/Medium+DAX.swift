import CBarKV
import CLibPMem
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Stores on DAX: a device DAX node, or a file on a DAX file system.
extension Medium {
  /// Opens what is at `address` as a medium, if it is on DAX.
  ///
  /// - Throws: what ``openFile(path:access:domain:)`` throws; ``StoreError/unsupportedMedium(_:)`` for what is not on DAX;
  ///   ``StoreError/deviceUnusable(_:reason:remedy:)``.
  static func openDAX(at address: StoreAddress, access: Access, options: StoreOptions) throws(StoreError) -> Medium {
    let descriptor = try openingDAX(address) { () throws(StoreError) in
      try MappedFile.open(path: address.path, access: access, allowsDevice: true)
    }
    var isDevice = false
    do throws(StoreError) { isDevice = try MappedFile.status(of: descriptor).isDevice } catch {
      close(descriptor)
      throw error
    }
    guard isDevice else {
      close(descriptor)
      return try requireDAX(
        openFile(path: address.path, access: access, options: options), address: address)
    }
    do throws(StoreError) {
      return try mapDevice(descriptor, address: address, access: access, options: options)
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Makes a file on a DAX file system, or clears a device DAX node, for a new store.
  ///
  /// - Throws: what ``openDAX(at:access:options:)`` throws; ``StoreError/alreadyExists(_:)``,
  ///   ``StoreError/invalidSize(bytes:reason:)``.
  static func createDAX(
    at address: StoreAddress, size: Int?, replacing: Bool, options: StoreOptions
  ) throws(StoreError) -> Medium {
    guard isCharacterDevice(address.path) else {
      let isNew = unsafe access(address.path, F_OK) != 0
      // Before a file is replaced: what is refused afterwards would be lost all the same.
      if !isNew, replacing {
        try requireDAX(openFile(path: address.path, access: .readWrite, options: StoreOptions()), address: address)
          .unmap()
      }
      do throws(StoreError) {
        return try requireDAX(
          createFile(
            path: address.path, size: required(size), replacing: replacing, options: options), address: address)
      } catch {
        // What is not what was asked for is not left behind.
        if isNew, case .unsupportedMedium = error { unsafe unlink(address.path) }
        throw error
      }
    }
    return try openDAX(at: address, access: .readWrite, options: options)
      .cleared(size: size, replacing: replacing, path: address.path)
  }

  /// The size of a file to be made.
  static func required(_ size: Int?) throws(StoreError) -> Int {
    guard let size else { throw .invalidSize(bytes: 0, reason: "a file's size has to be given") }
    return size
  }

  /// A file that is not on DAX is not what was asked for, however well it would do. One that libpmem is told to take for
  /// persistent memory was asked for.
  private static func requireDAX(_ medium: Medium, address: StoreAddress) throws(StoreError) -> Medium {
    guard medium.persistence.domain == .cacheFlush else {
      medium.unmap()
      throw .unsupportedMedium(address.description)
    }
    return medium
  }

  private static func mapDevice(
    _ descriptor: FileDescriptor, address: StoreAddress, access: Access, options: StoreOptions
  ) throws(StoreError) -> Medium {
    var (major, minor) = (UInt32(0), UInt32(0))
    guard unsafe barkv_is_character_device(descriptor.rawValue, &major, &minor),
      let device = DAXDevice(major: major, minor: minor, sysfs: options.sysfs)
    else { throw .unsupportedMedium(address.description) }
    guard let persistence = device.persistence(acceptsCachedBar: options.acceptsCachedBar) else {
      throw .deviceUnusable(
        address.description, reason: "it is a PCIe device's memory, mapped write-back, outside the bus's coherency",
        remedy: "open the BAR itself by a pci: address, or accept the risk by the option acceptsCachedBar")
    }
    let mapping = try unsafe mapDevice(descriptor, length: device.size, access: access)
    unsafe barkv_dont_fork(mapping.base, device.size)
    let isBar = persistence.domain.isBehindBus
    let medium = unsafe Medium(
      base: mapping.base, length: device.size, isWritable: access == .readWrite, persistence: persistence,
      backing: .file(
        MappedFile(descriptor: descriptor, isMappedByLibPMem: mapping.isMappedByLibPMem, hasSize: false)),
      sharesBarriers: isBar, observer: nil, canVanish: isBar, barrierRead: isBar ? BarrierRead(evictsLine: true) : nil)
    do throws(StoreError) {
      try unsafe medium.loss.beginGuard(mapping.base, length: device.size, isWritable: access == .readWrite)
    } catch {
      unsafe MappedFile.unmap(mapping.base, length: device.size, byLibPMem: mapping.isMappedByLibPMem)
      throw error
    }
    return medium
  }

  @unsafe
  private static func mapDevice(
    _ descriptor: FileDescriptor, length: Int, access: Access
  ) throws(StoreError) -> (base: UnsafeMutableRawPointer, isMappedByLibPMem: Bool) {
    if access == .readWrite {
      // libpmem knows the alignment that the device asks for.
      var (mapped, isPMem) = (0, Int32(0))
      if let base = unsafe pmem_map_file("/proc/self/fd/\(descriptor.rawValue)", 0, 0, 0, &mapped, &isPMem) {
        if mapped == length { return unsafe (base, true) }
        unsafe pmem_unmap(base, mapped)
      }
    }
    guard let base = unsafe barkv_map(descriptor.rawValue, length, access == .readWrite) else {
      throw .system(call: "mmap", errno: barkv_errno())
    }
    return unsafe (base, false)
  }

  private static func isCharacterDevice(_ path: String) -> Bool {
    guard
      let descriptor = try? FileDescriptor.open(
        FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
    else { return false }
    defer { try? descriptor.close() }
    return (try? MappedFile.status(of: descriptor))?.isDevice == true
  }

  /// What is neither a file nor a character device is on no DAX.
  private static func openingDAX(
    _ address: StoreAddress, _ open: () throws(StoreError) -> FileDescriptor
  ) throws(StoreError) -> FileDescriptor {
    do throws(StoreError) {
      return try open()
    } catch {
      if case .notAStore = error { throw .unsupportedMedium(address.description) }
      throw error
    }
  }

  private static func close(_ descriptor: FileDescriptor) {
    barkv_close_on_fork_cancel(descriptor.rawValue)
    barkv_unlock(descriptor.rawValue)
    try? descriptor.close()
  }
}
