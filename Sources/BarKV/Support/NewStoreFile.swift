import CBarKV
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A store file that appears under its name when it is whole and durable, and not before.
enum NewStoreFile {
  /// Calls `body` with the path of a file to create, makes that durable, and gives it the name in `address`.
  ///
  /// - Parameter replacing: whether a file of that name is replaced, unless it is open as a store.
  /// - Throws: ``StoreError/alreadyExists(_:)``, ``StoreError/busy(path:owner:)``, ``StoreError/system(call:errno:)``; and
  ///   what `body` throws. There is no file more than before then.
  static func write<R>(
    to address: StoreAddress, replacing: Bool, _ body: (_ path: String) throws(StoreError) -> R
  ) throws(StoreError) -> R {
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
      // What belongs to somebody else is left alone.
      if case .busy = error {} else { unsafe unlink(partial) }
      throw error
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
