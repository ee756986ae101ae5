import BarKV
import SystemPackage

/// A PCI function that this process drives: taken from its kernel driver, switched on, and allowed to be bus master.
///
/// ```swift
/// let function = try PeerFunction.take(address, unbindingDriver: true)
/// ```
public struct PeerFunction: Sendable {
  /// What the bus says of the function.
  public let function: PCIFunction

  /// The bits of the COMMAND register (PCI Local Bus 3.0, 6.2.2): answering in memory space, reading and writing memory
  /// by itself, and no interrupts by wire. Nobody here would answer one, and the kernel would switch the wire off for
  /// all devices on it.
  private static let memorySpace: UInt8 = 0x02, busMaster: UInt8 = 0x04
  private static let interruptsOff: UInt8 = 0x04
  private static let commandOffset: Int64 = 4

  /// Takes the function at `address`.
  ///
  /// - Parameters:
  ///   - unbindingDriver: whether a kernel driver may be unbound. What uses the device through it loses it, so a disk
  ///     with a mounted file system is refused all the same.
  ///   - sysfs: where sysfs is mounted.
  /// - Throws: ``PeerError/noSuchDevice(_:reason:)``, ``PeerError/unusable(_:reason:remedy:)``,
  ///   ``PeerError/system(call:errno:)``.
  public static func take(
    _ address: PCIAddress, unbindingDriver: Bool, sysfs: String = "/sys"
  ) throws(PeerError) -> PeerFunction {
    var found = try find(address, sysfs: sysfs)
    if let group = found.iommuGroup, IOMMU.translates(group, sysfs: sysfs) {
      throw .unusable(
        "\(address)", reason: "an IOMMU (group \(group)) translates the addresses that it uses",
        remedy: "start the machine with iommu=pt, or drive the device by VFIO")
    }
    if let driver = found.driver {
      guard unbindingDriver else {
        throw .unusable(
          "\(address)", reason: "the driver \(driver) is bound to it",
          remedy: "end what uses the device, then unbind the driver")
      }
      if let mount = MountedDisk.find(on: found.directory) {
        throw .unusable(
          "\(address)", reason: "\(mount.device) is mounted at \(mount.place)", remedy: "unmount it first")
      }
      try write(Array("\(address)".utf8), to: "\(found.directory)/driver/unbind", at: 0)
    }
    if found.isMemorySpaceEnabled != true { try write(Array("1".utf8), to: "\(found.directory)/enable", at: 0) }
    try setCommand(of: found.directory, address)
    found = try find(address, sysfs: sysfs)
    guard found.driver == nil, found.isMemorySpaceEnabled == true else {
      throw .unusable("\(address)", reason: "it cannot be switched on, or is taken by a driver again", remedy: nil)
    }
    return PeerFunction(function: found)
  }

  /// Finds the function at `address` and changes nothing.
  ///
  /// - Throws: ``PeerError/noSuchDevice(_:reason:)``.
  static func find(_ address: PCIAddress, sysfs: String) throws(PeerError) -> PCIFunction {
    let functions: [PCIFunction]
    do throws(StoreError) { functions = try PCIFunction.discover(sysfs: sysfs) } catch {
      throw .noSuchDevice("\(address)", reason: "\(error)")
    }
    guard let function = functions.first(where: { $0.address == address }) else {
      throw .noSuchDevice("\(address)", reason: "no function of the PCI bus has that address")
    }
    return function
  }

  /// The BAR with the number `index`.
  ///
  /// - Throws: ``PeerError/unusable(_:reason:remedy:)``.
  func bar(_ index: Int) throws(PeerError) -> BaseAddressRegister {
    guard let bar = function.bars.first(where: { $0.index == index }), bar.isMemory, bar.size > 0 else {
      throw .unusable("\(function.address)", reason: "it has no memory at BAR \(index)", remedy: nil)
    }
    return bar
  }

  private static func setCommand(of directory: String, _ address: PCIAddress) throws(PeerError) {
    let path = "\(directory)/config"
    var command = try readCommand(path, address)
    command[0] |= memorySpace | busMaster
    command[1] |= interruptsOff
    try write(command, to: path, at: commandOffset)
    let now = try readCommand(path, address)
    guard now[0] & (memorySpace | busMaster) == memorySpace | busMaster else {
      throw .unusable("\(address)", reason: "it does not let itself be made bus master", remedy: "run as root")
    }
  }

  private static func readCommand(_ path: String, _ address: PCIAddress) throws(PeerError) -> [UInt8] {
    var bytes: [UInt8] = [0, 0]
    do {
      let descriptor = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
      defer { try? descriptor.close() }
      let count = unsafe try bytes.withUnsafeMutableBytes { buffer in
        unsafe try descriptor.read(fromAbsoluteOffset: commandOffset, into: buffer)
      }
      guard count == 2 else { throw Errno.ioError }
    } catch {
      throw .system(call: "read \(path)", errno: (error as? Errno ?? .ioError).rawValue)
    }
    guard bytes != [0xFF, 0xFF] else { throw .gone("\(address)") }
    return bytes
  }

  private static func write(_ bytes: [UInt8], to path: String, at offset: Int64) throws(PeerError) {
    do {
      let descriptor = try FileDescriptor.open(FilePath(path), .writeOnly, options: .closeOnExec)
      defer { try? descriptor.close() }
      let written = unsafe try bytes.withUnsafeBytes { buffer in
        unsafe try descriptor.write(toAbsoluteOffset: offset, buffer)
      }
      guard written == bytes.count else { throw Errno.ioError }
    } catch {
      throw .system(call: "write \(path)", errno: (error as? Errno ?? .ioError).rawValue)
    }
  }
}
