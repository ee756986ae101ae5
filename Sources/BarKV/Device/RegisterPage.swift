import CBarKV
import CBarKVPCI
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The first page of an NVMe controller's registers, mapped for reading only.
enum RegisterPage {
  /// All registers that discovery asks for are in it.
  static let length = 4096

  /// Why the page could not be read.
  struct Failure: Error {
    let explanation: String
  }

  /// Maps the page of the BAR at `path`, decodes what it says, and unmaps it.
  static func read(_ path: String) throws(Failure) -> NVMeMemory {
    let descriptor: FileDescriptor
    do {
      descriptor = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
    } catch {
      throw Failure(explanation: "\(path) cannot be opened: \((error as? Errno)?.description ?? "\(error)")")
    }
    defer { try? descriptor.close() }
    var status = stat()
    guard unsafe fstat(descriptor.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size >= off_t(length)
    else { throw Failure(explanation: "\(path) has no page to map") }
    guard let page = unsafe barkv_map(descriptor.rawValue, length, false) else {
      throw Failure(explanation: "\(path) cannot be mapped: \(systemMessage(barkv_errno()))")
    }
    defer { unsafe munmap(page, length) }
    return try unsafe decode(page, path: path)
  }

  /// Reads the registers under the guard that keeps a device which goes meanwhile from ending the process.
  @unsafe
  private static func decode(_ page: UnsafeMutableRawPointer, path: String) throws(Failure) -> NVMeMemory {
    let loss = MediumLoss()
    defer { loss.deallocate() }
    do throws(StoreError) {
      try unsafe loss.beginGuard(page, length: length, isWritable: false)
    } catch {
      throw Failure(explanation: "\(path) cannot be read safely: \(error)")
    }
    let memory = NVMeMemory { offset in unsafe barkv_pci_register(page + offset) }
    unsafe MediumLoss.endGuard(page)
    guard loss.isNone else { throw Failure(explanation: "\(path) went away while it was read") }
    guard let memory else { throw Failure(explanation: "the controller answers with all ones: it is gone or asleep") }
    return memory
  }
}
