import CBarKV
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A PCI function's BAR that backs a medium, locked and mapped.
///
/// ```
/// 0                    4096                                   size
/// | control page, UC    | payload, WC                          |      with a resourceN_wc
/// | all uncached                                               |      without
/// ```
///
/// The control page holds the first superblock, and so the word by which a barrier knows the device. The two parts share no
/// page: a second mapping of a page would silently get the first one's memory type.
struct MappedBar: Sendable {
  /// The BAR as it was found.
  let bar: BaseAddressRegister
  /// The open `resourceN`, whose lock says who owns the store.
  let descriptor: FileDescriptor
  /// By which it is asked whether the function is there.
  let configuration: ConfigurationSpace
  /// How the payload is mapped, as far as that is known.
  let memoryType: MemoryType
  /// Whether the kernel's own list says so.
  let isTypeVerified: Bool
  /// What keeps the function awake.
  let power: PowerControl
  let access: Access

  /// The size of the control page.
  static let controlBytes = 4096

  var length: Int { Int(bar.size) }

  /// How many bytes are mapped by the uncached file.
  var controlLength: Int { bar.writeCombiningFile == nil ? length : min(Self.controlBytes, length) }

  /// Maps the BAR: the control page uncached, the rest write-combining where there is a file for that.
  ///
  /// - Returns: the mapping, and how many of its bytes are asked for uncached.
  /// - Throws: ``StoreError/deviceUnusable(_:reason:remedy:)``.
  @unsafe
  static func map(
    _ bar: BaseAddressRegister, descriptor: FileDescriptor, access: Access, address: String
  ) throws(StoreError) -> (base: UnsafeMutableRawPointer, uncachedBytes: Int) {
    let length = Int(bar.size)
    let isWritable = access == .readWrite
    guard try MappedFile.status(of: descriptor).size >= length else {
      throw .deviceUnusable(
        address, reason: "\(bar.resourceFile ?? "its file") is shorter than the BAR", remedy: nil)
    }
    guard let base = unsafe barkv_reserve(length) else { throw .system(call: "mmap", errno: barkv_errno()) }
    do throws(StoreError) {
      let combining = bar.writeCombiningFile.flatMap { path in
        try? FileDescriptor.open(
          FilePath(path), isWritable ? .readWrite : .readOnly, options: [.closeOnExec, .nonBlocking])
      }
      defer { try? combining?.close() }
      // A BAR of one page is all control page.
      let control = combining == nil ? length : min(Self.controlBytes, length)
      try check(unsafe barkv_map_over(base, descriptor.rawValue, 0, control, isWritable), address)
      if let combining, control < length {
        try check(
          unsafe barkv_map_over(base + control, combining.rawValue, control, length - control, isWritable), address)
      }
      unsafe barkv_dont_fork(base, length)
      return unsafe (base, control)
    } catch {
      unsafe munmap(base, length)
      throw error
    }
  }

  private static func check(_ code: Int32, _ address: String) throws(StoreError) {
    guard code != 0 else { return }
    let remedy =
      switch code {
      case EINVAL: "unbind the driver that claims the device"
      case EPERM: "start the machine without lockdown, and run as root"
      default: String?.none
      }
    throw .deviceUnusable(address, reason: "its BAR cannot be mapped: \(systemMessage(code))", remedy: remedy)
  }

  /// Unmaps, lets the function sleep again if it did before, and gives up the lock.
  @unsafe
  func close(mapping: UnsafeMutableRawPointer) {
    unsafe munmap(mapping, length)
    release()
  }

  /// ``close(mapping:)`` where nothing is mapped yet.
  func release() {
    barkv_close_on_fork_cancel(descriptor.rawValue)
    // Under the lock: another owner would find `on`, and believe that it was always there.
    if access == .readWrite { power.restore() }
    barkv_unlock(descriptor.rawValue)
    try? descriptor.close()
    if access == .readOnly { restorePowerIfLast() }
  }

  /// Readers share the function: only the last one may let it sleep.
  private func restorePowerIfLast() {
    guard power.isHolding, let file = bar.resourceFile,
      let last = try? FileDescriptor.open(FilePath(file), .readWrite, options: [.closeOnExec, .nonBlocking])
    else { return }
    defer { try? last.close() }
    if barkv_lock(last.rawValue, true) == 0 { power.restore() }
  }
}
