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
  /// How many bytes are mapped by the uncached file.
  var controlLength = 0
  /// How the kernel says that the control page and the payload are mapped; `nil` where it says nothing.
  var listed: (control: MemoryType?, payload: MemoryType?) = (nil, nil)
  /// What keeps the function awake.
  let power: PowerControl
  let access: Access

  /// The size of the control page.
  static let controlBytes = 4096

  var length: Int { Int(bar.size) }

  /// How the payload is mapped, as far as that is known.
  var memoryType: MemoryType { listed.payload ?? (controlLength < length ? .writeCombining : .uncached) }

  /// The parts of the mapping.
  var parts: [MappedPart] {
    let control = MappedPart(
      range: 0..<controlLength, memoryType: listed.control ?? .uncached, isVerified: listed.control != nil)
    guard controlLength < length else { return [control] }
    return [
      control,
      MappedPart(range: controlLength..<length, memoryType: memoryType, isVerified: listed.payload != nil),
    ]
  }

  /// The same in words.
  var mappingInWords: String {
    let control =
      switch listed.control {
      case nil, .uncached: ""
      case let type?: "; its control page is \(type.rawValue), as somebody else has it mapped that way"
      }
    guard controlLength < length else {
      return "mapped uncached, as there is no file that maps it with write combining" + control
    }
    switch listed.payload {
    case nil: return "mapped write-combining, which the kernel's list could not be asked about" + control
    case .writeCombining: return "mapped write-combining, as the kernel's list confirms" + control
    case let type?: return "asked for write-combining, and the kernel's list says \(type.rawValue)" + control
    }
  }

  /// Looks up how the kernel says that the BAR is mapped: only now that it is does the list know.
  mutating func look(_ sysfs: String) {
    guard let list = MemoryTypeList(sysfs: sysfs) else { return }
    let border = bar.address + UInt64(controlLength)
    listed.control = list.type(of: bar.address..<border)
    listed.payload = controlLength < length ? list.type(of: border..<bar.address + bar.size) : nil
  }

  /// Maps the BAR: the control page uncached, the rest write-combining where there is a file for that.
  ///
  /// - Returns: the mapping, and how many of its bytes are mapped by the uncached file.
  /// - Throws: ``StoreError/deviceUnusable(_:reason:remedy:)``.
  @unsafe
  static func map(
    _ bar: BaseAddressRegister, descriptor: FileDescriptor, access: Access, address: String
  ) throws(StoreError) -> (base: UnsafeMutableRawPointer, controlLength: Int) {
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
