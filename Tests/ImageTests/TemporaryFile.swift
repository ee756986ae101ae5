import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file in memory with given bytes, gone with this value.
final class TemporaryFile {
  let path: String
  var address: StoreAddress { StoreAddress(path: path) }

  init(_ bytes: [UInt8]) throws {
    var name = Array("/dev/shm/barkv-image-XXXXXX".utf8CString)
    let descriptor = unsafe name.withUnsafeMutableBufferPointer { unsafe mkstemp($0.baseAddress!) }
    try #require(descriptor >= 0)
    path = try #require(String(validating: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    defer { close(descriptor) }
    let written = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    try #require(written == bytes.count || (bytes.isEmpty && written <= 0))
  }

  deinit {
    unsafe unlink(path)
  }

  /// Cuts the file off, or adds zeros.
  func resize(to size: Int) throws {
    try #require(unsafe truncate(path, size) == 0)
  }

  /// What is in the file.
  func bytes() throws -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    var content = [UInt8](repeating: 0, count: size)
    let count = unsafe content.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
    try #require(count == size || (size == 0 && count <= 0))
    return content
  }
}
