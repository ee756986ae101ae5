import CBarKV
import CLibPMem
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An open, locked file that backs a medium.
///
/// The lock belongs to the open file description: the kernel gives it up when the owner ends, however it ends, and a
/// second open, even in the same process, does not get it. A forked child inherits the description; its copy of the
/// descriptor is closed at the fork, so that a child that lives on does not keep the store busy.
struct MappedFile: Sendable {
  let descriptor: FileDescriptor
  let isMappedByLibPMem: Bool
  /// Whether the file has a size that says whether it was cut off: a device has none.
  var hasSize = true

  /// Opens and locks an existing regular file, or, where `allowsDevice`, a character device.
  static func open(
    path: String, access: Access, allowsDevice: Bool = false
  ) throws(StoreError) -> FileDescriptor {
    let descriptor: FileDescriptor
    do {
      // Non-blocking: a FIFO at this path must not hang the open. It has no effect on a regular file.
      descriptor = try FileDescriptor.open(
        FilePath(path), access == .readWrite ? .readWrite : .readOnly, options: [.closeOnExec, .nonBlocking])
    } catch {
      throw storeError(opening: path, error)
    }
    return try keeping(descriptor) { (descriptor) throws(StoreError) in
      let status = try status(of: descriptor)
      guard status.isRegular || (allowsDevice && status.isDevice) else { throw .notAStore(path) }
      try lock(descriptor, path: path, exclusive: access == .readWrite)
    }
  }

  /// Creates and locks a new file of `size` zero bytes whose blocks are allocated.
  ///
  /// On return the file's size and name are durable, so that no superblock can reach the disk before them.
  static func create(path: String, size: Int, replacing: Bool) throws(StoreError) -> FileDescriptor {
    let descriptor: FileDescriptor
    var isNew = true
    do {
      descriptor = try FileDescriptor.open(
        FilePath(path), .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    } catch {
      guard error as? Errno == .fileExists else { throw storeError(creating: path, error) }
      guard replacing else { throw .alreadyExists(path) }
      isNew = false
      descriptor = try open(path: path, access: .readWrite)
    }
    do throws(StoreError) {
      return try keeping(descriptor) { (descriptor) throws(StoreError) in
        if isNew { try lock(descriptor, path: path, exclusive: true) }
        // A replaced file loses its old content here, and before it grows again.
        try check("ftruncate", ftruncate(descriptor.rawValue, 0) == 0 ? 0 : barkv_errno())
        let code = barkv_allocate(descriptor.rawValue, Int64(size))
        try check("posix_fallocate", code)
        try check("fsync", fsync(descriptor.rawValue) == 0 ? 0 : barkv_errno())
        try synchronizeDirectory(of: path)
      }
    } catch {
      // What could not be made whole is not left behind to be mistaken for a store.
      if isNew { unsafe unlink(path) }
      throw error
    }
  }

  /// Unmaps and closes. The lock goes with the descriptor.
  @unsafe
  func close(mapping: UnsafeMutableRawPointer, length: Int) {
    unsafe Self.unmap(mapping, length: length, byLibPMem: isMappedByLibPMem)
    barkv_close_on_fork_cancel(descriptor.rawValue)
    // Explicitly: another thread may be starting a process, which holds a copy of the descriptor until it has begun.
    barkv_unlock(descriptor.rawValue)
    try? descriptor.close()
  }

  // MARK: Helpers

  @unsafe
  static func unmap(_ mapping: UnsafeMutableRawPointer, length: Int, byLibPMem: Bool) {
    if byLibPMem {
      unsafe pmem_unmap(mapping, length)
    } else {
      unsafe munmap(mapping, length)
    }
  }

  struct Status {
    var isRegular: Bool
    var isDevice: Bool
    var size: Int
  }

  static func status(of descriptor: FileDescriptor) throws(StoreError) -> Status {
    var status = stat()
    guard unsafe fstat(descriptor.rawValue, &status) == 0 else {
      throw .system(call: "fstat", errno: barkv_errno())
    }
    let kind = status.st_mode & S_IFMT
    return Status(isRegular: kind == S_IFREG, isDevice: kind == S_IFCHR, size: Int(status.st_size))
  }

  /// Runs `body`, and closes the descriptor if it throws.
  private static func keeping(
    _ descriptor: FileDescriptor, _ body: (FileDescriptor) throws(StoreError) -> Void
  ) throws(StoreError) -> FileDescriptor {
    do throws(StoreError) {
      try body(descriptor)
      return descriptor
    } catch {
      try? descriptor.close()
      throw error
    }
  }

  private static func lock(_ descriptor: FileDescriptor, path: String, exclusive: Bool) throws(StoreError) {
    let code = barkv_lock(descriptor.rawValue, exclusive)
    if code == EAGAIN || code == EACCES {
      throw .busy(path: path, owner: nil)
    }
    try check("fcntl(F_OFD_SETLK)", code)
    // Closing a copy in a child does not release the lock, which belongs to the description.
    _ = barkv_close_on_fork(descriptor.rawValue)
  }

  /// Makes the name of the file at `path` durable.
  static func synchronizeDirectory(of path: String) throws(StoreError) {
    let parent = FilePath(path).removingLastComponent()
    let name = parent.isEmpty ? FilePath(".") : parent
    do {
      let directory = try FileDescriptor.open(name, .readOnly, options: [.directory, .closeOnExec])
      defer { try? directory.close() }
      try check("fsync", fsync(directory.rawValue) == 0 ? 0 : barkv_errno())
    } catch let error as StoreError {
      throw error
    } catch {
      throw storeError(creating: name.string, error)
    }
  }

  private static func check(_ call: String, _ code: Int32) throws(StoreError) {
    if code != 0 { throw .system(call: call, errno: code) }
  }

  private static func storeError(opening path: String, _ error: any Error) -> StoreError {
    switch error as? Errno {
    case .noSuchFileOrDirectory, .notDirectory: .noSuchStore(path)
    case .permissionDenied, .notPermitted, .readOnlyFileSystem: .permissionDenied(path)
    case .isDirectory: .notAStore(path)
    case let code?: .system(call: "open \(path)", errno: code.rawValue)
    case nil: .system(call: "open \(path)", errno: EIO)
    }
  }

  private static func storeError(creating path: String, _ error: any Error) -> StoreError {
    let code = (error as? Errno)?.rawValue ?? EIO
    return .system(call: "create \(path)", errno: code)
  }
}
