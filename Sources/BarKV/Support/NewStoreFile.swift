import CBarKV
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A store file that appears under its name when it is whole and durable, and not before.
enum NewStoreFile {
  /// - Throws: ``StoreError/invalidOption(_:)`` where the address names no file: a device cannot be given a new name, nor one
  ///   in its place.
  static func check(_ address: StoreAddress) throws(StoreError) {
    try address.validate()
    guard !address.isDevice else {
      throw .invalidOption("what is written anew is a file, named by its path, and “\(address)” is a device's")
    }
  }

  /// Calls `body` with the path of a file to create, makes that durable, and gives it the name in `address`.
  ///
  /// - Parameter replacing: whether a file of that name is replaced, unless it is open as a store.
  /// - Throws: ``StoreError/alreadyExists(_:)``, ``StoreError/busy(path:owner:)``, ``StoreError/system(call:errno:)``; and
  ///   what `body` throws. There is no file more than before then.
  static func write<R>(
    to address: StoreAddress, replacing: Bool, _ body: (_ path: String) throws(StoreError) -> R
  ) throws(StoreError) -> R {
    try check(address)
    let path = address.path
    // A store in use is never replaced: it is locked until the new one has its name.
    let replaced = try lockExisting(path, replacing: replacing)
    defer {
      if let replaced {
        barkv_close_on_fork_cancel(replaced.rawValue)
        try? replaced.close()
      }
    }
    let partial = path + ".partial"
    do throws(StoreError) {
      let result = try body(partial)
      try synchronize(partial)
      try give(partial, name: path, replacing: replaced != nil)
      return result
    } catch {
      remove(partial, after: error)
      throw error
    }
  }

  /// Calls `body` with the path of a file to create, and puts that in the place of a store that is open read-only, and is
  /// closed here.
  ///
  /// - Throws: ``StoreError/busy(path:owner:)`` where the store is open elsewhere, or was written meanwhile.
  static func replace<R>(
    _ store: Store, at address: StoreAddress, _ body: (_ path: String) throws(StoreError) -> R
  ) throws(StoreError) -> R {
    try check(address)
    let path = address.path
    let partial = path + ".partial"
    do throws(StoreError) {
      let result = try body(partial)
      try synchronize(partial)
      let geometry = store.superblock.geometry
      let manifests = geometry.manifestOffset(0)..<geometry.manifestOffset(0) + 2 * geometry.manifestStride
      let seen = unsafe Array(UnsafeRawBufferPointer(rebasing: store.medium.bytes[manifests]))
      // A lock for reading cannot be made one for writing: between the two somebody may have come, and then there is a
      // manifest more.
      try store.close()
      let replaced = try MappedFile.open(path: path, access: .readWrite)
      defer {
        barkv_close_on_fork_cancel(replaced.rawValue)
        try? replaced.close()
      }
      guard try read(replaced, manifests) == seen else { throw .busy(path: path, owner: nil) }
      try give(partial, name: path, replacing: true)
      return result
    } catch {
      remove(partial, after: error)
      throw error
    }
  }

  /// Removes what was not finished; somebody else's, who is at work on it, is left alone.
  private static func remove(_ partial: String, after error: StoreError) {
    if case .busy(partial, _) = error { return }
    unsafe unlink(partial)
  }

  private static func read(_ descriptor: FileDescriptor, _ range: Range<Int>) throws(StoreError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    do {
      let count = try unsafe bytes.withUnsafeMutableBytes { buffer in
        try unsafe descriptor.read(fromAbsoluteOffset: Int64(range.lowerBound), into: buffer)
      }
      return Array(bytes.prefix(count))
    } catch {
      throw .system(call: "read", errno: (error as? Errno)?.rawValue ?? EIO)
    }
  }

  /// The locked file at `path`, or `nil` where there is none.
  private static func lockExisting(_ path: String, replacing: Bool) throws(StoreError) -> FileDescriptor? {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return nil }
    guard replacing else { throw .alreadyExists(path) }
    return try MappedFile.open(path: path, access: .readWrite)
  }

  /// Gives `partial` its name.
  static func give(_ partial: String, name path: String, replacing: Bool) throws(StoreError) {
    if replacing {
      guard unsafe rename(partial, path) == 0 else { throw .system(call: "rename \(path)", errno: barkv_errno()) }
    } else {
      // Unlike a renaming, a link never takes the place of what came there meanwhile.
      guard unsafe link(partial, path) == 0 else {
        let code = barkv_errno()
        throw code == EEXIST ? .alreadyExists(path) : .system(call: "link \(path)", errno: code)
      }
      unsafe unlink(partial)
    }
    try MappedFile.synchronizeDirectory(of: path)
  }

  /// Makes the file's content durable, whatever domain it was written in.
  static func synchronize(_ path: String) throws(StoreError) {
    do {
      let descriptor = try FileDescriptor.open(FilePath(path), .readWrite, options: .closeOnExec)
      defer { try? descriptor.close() }
      guard fsync(descriptor.rawValue) == 0 else { throw StoreError.system(call: "fsync", errno: barkv_errno()) }
    } catch let error as StoreError {
      throw error
    } catch {
      throw .system(call: "open \(path)", errno: (error as? Errno)?.rawValue ?? EIO)
    }
  }
}
