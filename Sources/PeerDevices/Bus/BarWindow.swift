import BarKV
import CBarKV
import CBarKVPCI
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A BAR that is mapped uncached, for loads and stores of whole registers.
///
/// It holds the lock by which stores own a BAR, so a window is never open over a store that somebody has open, nor twice.
@safe
final class BarWindow {
  // Invariant: `base` is the start of a mapping of `length` bytes that lives as long as this object, and every access goes
  // through `address(of:bytes:)`, which lets none begin or end outside or off its own alignment.
  private let base: UnsafeMutableRawPointer
  private let descriptor: FileDescriptor

  /// How many bytes are mapped.
  let length: Int
  /// The bus address of the first byte.
  let busAddress: UInt64
  /// What it is called in errors.
  let name: String

  /// Maps all of a BAR.
  ///
  /// - Throws: ``PeerError/unusable(_:reason:remedy:)``, ``PeerError/busy(_:)``, ``PeerError/system(call:errno:)``.
  init(_ bar: BaseAddressRegister, of function: PCIAddress) throws(PeerError) {
    name = "\(function)/\(bar.index)"
    guard let file = bar.resourceFile, let length = Int(exactly: bar.size) else {
      throw .unusable(name, reason: "the kernel offers no file to map it by", remedy: nil)
    }
    do {
      descriptor = try FileDescriptor.open(FilePath(file), .readWrite, options: [.closeOnExec, .nonBlocking])
    } catch {
      throw .system(call: "open \(file)", errno: (error as? Errno ?? .ioError).rawValue)
    }
    guard barkv_lock(descriptor.rawValue, true) == 0 else {
      try? descriptor.close()
      throw .busy(name)
    }
    guard let base = unsafe barkv_map(descriptor.rawValue, length, true) else {
      let code = barkv_errno()
      try? descriptor.close()
      throw .system(call: "mmap \(file)", errno: code)
    }
    // A child of a fork has no business with a device's registers.
    unsafe barkv_dont_fork(base, length)
    unsafe self.base = base
    self.length = length
    busAddress = bar.address
  }

  deinit {
    unsafe munmap(base, length)
    barkv_unlock(descriptor.rawValue)
    try? descriptor.close()
  }

  /// Where the register of `bytes` bytes at `offset` is.
  @unsafe
  private func address(of offset: Int, bytes: Int) -> UnsafeMutableRawPointer {
    precondition(offset >= 0 && offset % bytes == 0 && offset <= length - bytes, "no register of this BAR")
    return unsafe base + offset
  }

  /// One load of 32 bits.
  func load32(_ offset: Int) -> UInt32 { unsafe barkv_pci_register(address(of: offset, bytes: 4)) }

  /// One store of 32 bits.
  func store32(_ value: UInt32, at offset: Int) {
    unsafe barkv_pci_write_register(address(of: offset, bytes: 4), value)
  }

  /// One load of 64 bits.
  func load64(_ offset: Int) -> UInt64 { unsafe barkv_load_from_device(address(of: offset, bytes: 8)) }

  /// One store of 64 bits.
  func store64(_ value: UInt64, at offset: Int) {
    unsafe barkv_pci_write_register64(address(of: offset, bytes: 8), value)
  }

  /// Loads 64 bits behind all earlier stores, and before anything later: what was stored to this BAR has arrived there.
  @discardableResult
  func readBack(_ offset: Int) -> UInt64 { unsafe barkv_read_back(address(of: offset, bytes: 8)) }
}
