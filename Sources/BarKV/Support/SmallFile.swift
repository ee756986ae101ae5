import SystemPackage

/// A file of a few bytes, as sysfs and its like have by the thousand.
enum SmallFile {
  /// The first bytes of the file at `path`, at most `limit`; `nil` where it cannot be read.
  static func bytes(_ path: String, limit: Int = 4096) -> [UInt8]? {
    guard let descriptor = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else {
      return nil
    }
    defer { try? descriptor.close() }
    var bytes = [UInt8](repeating: 0, count: limit)
    var count = 0
    while count < limit {
      let space = count..<limit
      let read = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe try? descriptor.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[space]))
      }
      guard let read else { return nil }
      if read == 0 { break }
      count += read
    }
    return Array(bytes.prefix(count))
  }

  /// The text of the file at `path` without white space at its end; `nil` where it cannot be read.
  static func text(_ path: String, limit: Int = 4096) -> String? {
    guard let bytes = bytes(path, limit: limit) else { return nil }
    let end = bytes.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? 0
    return String(decoding: bytes[..<end], as: UTF8.self)
  }

  /// Makes `text` what the file that is at `path` says, as a shell's `echo` does.
  ///
  /// - Throws: what the system says against it.
  static func write(_ text: String, to path: String) throws(Errno) {
    try write(Array(text.utf8), to: path, at: 0, options: [.closeOnExec, .truncate])
  }

  /// Writes `bytes` over those of the file at `path`, from `offset` on, in one call.
  ///
  /// - Throws: what the system says against it.
  static func overwrite(_ bytes: [UInt8], of path: String, at offset: Int64) throws(Errno) {
    try write(bytes, to: path, at: offset, options: .closeOnExec)
  }

  private static func write(
    _ bytes: [UInt8], to path: String, at offset: Int64, options: FileDescriptor.OpenOptions
  ) throws(Errno) {
    do {
      let descriptor = try FileDescriptor.open(FilePath(path), .writeOnly, options: options)
      defer { try? descriptor.close() }
      let written = unsafe try bytes.withUnsafeBytes { buffer in
        unsafe try descriptor.write(toAbsoluteOffset: offset, buffer)
      }
      guard written == bytes.count else { throw Errno.ioError }
    } catch {
      throw error as? Errno ?? .ioError
    }
  }
}
