import SystemPackage

/// The file behind a BAR, as the device sees it.
final class DeviceFile: Sendable {
  private let descriptor: FileDescriptor

  init(_ path: String) throws {
    descriptor = try FileDescriptor.open(FilePath(path), .readWrite, options: .closeOnExec)
  }

  deinit {
    try? descriptor.close()
  }

  func read(_ offset: Int, _ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let found = unsafe try bytes.withUnsafeMutableBytes { buffer in
      unsafe try descriptor.read(fromAbsoluteOffset: Int64(offset), into: buffer)
    }
    return Array(bytes.prefix(found))
  }

  func write(_ bytes: [UInt8], at offset: Int) throws {
    unsafe try bytes.withUnsafeBytes { buffer in
      unsafe _ = try descriptor.writeAll(toAbsoluteOffset: Int64(offset), buffer)
    }
  }

  /// A little-endian number of four or eight bytes.
  func word(_ offset: Int, bytes: Int = 4) throws -> UInt64 {
    try read(offset, bytes).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  func setWord(_ value: UInt64, at offset: Int, bytes: Int = 4) throws {
    try write((0..<bytes).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }, at: offset)
  }
}
