import CBarKV
import CBarKVPCI
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The registers of an NVMe controller that has a Persistent Memory Region, mapped for as long as a store is there.
///
/// Only PMRCTL is ever written, and in it only the bit that enables the region: the controller itself stays as it is.
@safe
final class RegionRegisters: @unchecked Sendable {
  // Safe to share: the pointer never changes; registers are read and written by single loads and stores.

  private let page: UnsafeMutableRawPointer
  /// What the guard found of the page, where it is a controller's.
  private let loss: MediumLoss?

  /// NVMe 2.1, 3.1.4: the offsets in BAR 0.
  private enum Offset {
    static let control = 0xE04
    static let status = 0xE08
    static let controllerBaseLow = 0xE14
    static let controllerBaseHigh = 0xE18
  }

  /// Maps the registers by the file at `path`.
  ///
  /// - Throws: ``StoreError/deviceUnusable(_:reason:remedy:)``.
  init(path: String, address: String) throws(StoreError) {
    let descriptor: FileDescriptor
    do {
      descriptor = try FileDescriptor.open(FilePath(path), .readWrite, options: [.closeOnExec, .nonBlocking])
    } catch {
      throw .deviceUnusable(
        address, reason: "\(path) cannot be opened: \((error as? Errno)?.description ?? "\(error)")",
        remedy: "run as root")
    }
    defer { try? descriptor.close() }
    guard try MappedFile.status(of: descriptor).size >= RegisterPage.length else {
      throw .deviceUnusable(address, reason: "\(path) has no page to map", remedy: nil)
    }
    guard let page = unsafe barkv_map(descriptor.rawValue, RegisterPage.length, true) else {
      throw .deviceUnusable(
        address, reason: "\(path) cannot be mapped: \(systemMessage(barkv_errno()))",
        remedy: "unbind the device's driver first")
    }
    unsafe barkv_dont_fork(page, RegisterPage.length)
    let loss = MediumLoss()
    do throws(StoreError) {
      try unsafe loss.beginGuard(page, length: RegisterPage.length, isWritable: true)
    } catch {
      unsafe munmap(page, RegisterPage.length)
      loss.deallocate()
      throw error
    }
    unsafe self.page = page
    self.loss = loss
  }

  /// A page of this process's memory in a controller's place, for simulated devices.
  ///
  /// - Parameter words: the registers, by their offsets; the others are 0.
  init(simulating words: [Int: UInt32]) {
    unsafe page = allocateLines(bytes: RegisterPage.length)
    loss = nil
    for (offset, word) in words { simulate(word, at: offset) }
  }

  deinit {
    if let loss {
      unsafe MediumLoss.endGuard(page)
      unsafe munmap(page, RegisterPage.length)
      loss.deallocate()
    } else {
      unsafe page.deallocate()
    }
  }

  /// Changes a register of a simulated device.
  func simulate(_ word: UInt32, at offset: Int) {
    precondition(
      loss == nil && offset % 4 == 0 && (0..<RegisterPage.length).contains(offset), "a device's own register")
    unsafe barkv_pci_write_register(page + offset, word)
  }

  /// Whether the page went away.
  var isLost: Bool { loss?.isNone == false }

  /// PMRSTS, read behind all earlier stores and before anything later.
  func readStatus() -> UInt32 { unsafe barkv_read_back_register(page + Offset.status) }

  /// The base at which the controller's own commands find the region; `nil` where it was given none (PMRMSCL.CMSE).
  var controllerBase: UInt64? {
    let low = unsafe barkv_pci_register(page + Offset.controllerBaseLow)
    let high = unsafe barkv_pci_register(page + Offset.controllerBaseHigh)
    guard low != .max, low >> 1 & 1 == 1, region?.controllerAddressIsInvalid == false else { return nil }
    return UInt64(high) << 32 | UInt64(low & 0xFFFF_F000)
  }

  /// What the registers say now; `nil` where no controller answers, or where it has no region.
  var region: PersistentMemoryRegion? {
    let memory = NVMeMemory { offset in unsafe barkv_pci_register(page + offset) }
    return memory?.persistentMemoryRegion
  }

  /// Enables the region, and waits until it is ready for as long as the controller says that this may take.
  ///
  /// - Returns: what the registers say once the region is ready.
  /// - Throws: ``StoreError/deviceUnusable(_:reason:remedy:)``.
  func enable(address: String) throws(StoreError) -> PersistentMemoryRegion {
    guard var region else { throw Self.gone(address) }
    if !region.isEnabled { unsafe barkv_pci_write_register(page + Offset.control, region.control | 1) }
    // Half a second more than it may take: a limit of 0 means that it needs none, and the kernel may have been elsewhere.
    let limit = UInt64(region.timeoutMilliseconds ?? 0) + 500
    let began = monotonicNanoseconds()
    while true {
      guard let now = self.region else { throw Self.gone(address) }
      region = now
      if region.isReady { return region }
      if (monotonicNanoseconds() - began) / 1_000_000 > limit { break }
      sleepFor(microseconds: 200)
    }
    throw .deviceUnusable(
      address,
      reason: region.isEnabled
        ? "the Persistent Memory Region was not ready after \(limit) ms"
        : "the controller does not let its Persistent Memory Region be enabled",
      remedy: "reset the device, and look at its health log")
  }

  private static func gone(_ address: String) -> StoreError {
    .deviceUnusable(
      address, reason: "the controller does not answer: it is gone, asleep, or in a reset",
      remedy: "reset or reseat the device")
  }
}
