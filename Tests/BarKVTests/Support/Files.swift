import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Whole files as bytes.
enum Files {
  /// Why a file could not be read or written.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The bytes of the file at `path`.
  static func read(_ path: String) throws -> [UInt8] {
    guard let file = unsafe fopen(path, "rbe") else { throw Failure(description: "\(path) cannot be read") }
    defer { unsafe fclose(file) }
    unsafe fseek(file, 0, SEEK_END)
    let size = unsafe ftell(file)
    unsafe rewind(file)
    var bytes = [UInt8](repeating: 0, count: max(0, size))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe fread($0.baseAddress, 1, $0.count, file) }
    try #require(count == bytes.count, "\(path) cannot be read whole")
    return bytes
  }

  /// Makes the file at `path` hold `bytes`.
  static func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = unsafe fopen(path, "wbe") else { throw Failure(description: "\(path) cannot be written") }
    let count = unsafe bytes.withUnsafeBytes { unsafe fwrite($0.baseAddress, 1, $0.count, file) }
    let closed = unsafe fclose(file)
    try #require(count == bytes.count && closed == 0, "\(path) cannot be written whole")
  }

  /// Cuts the file at `path` off, or makes it longer by zeros.
  static func truncate(_ path: String, to size: Int) throws {
    #if canImport(Glibc)
      let code = unsafe Glibc.truncate(path, size)
    #else
      let code = unsafe Musl.truncate(path, off_t(size))
    #endif
    try #require(code == 0, "\(path) cannot be cut off")
  }

  /// Whether there is a file at `path`.
  static func exists(_ path: String) -> Bool {
    unsafe access(path, F_OK) == 0
  }
}

/// A file whose bytes are changed in place.
final class FileBytes {
  private let descriptor: Int32

  init(_ path: String) throws {
    descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw Files.Failure(description: "\(path) cannot be opened") }
  }

  deinit {
    close(descriptor)
  }

  func write(_ bytes: [UInt8], at offset: Int) throws {
    guard unsafe pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count else {
      throw Files.Failure(description: "the file cannot be written")
    }
  }
}
