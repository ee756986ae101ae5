import SystemPackage

@testable import BarKV

/// Writes the image of a failing state to a file, with what it takes to judge it again beside it.
struct FailureKeeper {
  /// Where the files go.
  let directory: String

  /// - Returns: the image's path.
  func keep(_ failure: RigFailure, name: String, about: String) throws -> String {
    let path = "\(directory)/\(name).barkv"
    try write(failure.image, to: path)
    var text = "about \(about.replacing("\n", with: " "))\n"
    if failure.oracle.mayBeMissing { text += "missing\n" }
    for digest in failure.oracle.allowed.sorted() { text += "allowed \(String(digest, radix: 16))\n" }
    try write(Array(text.utf8), to: path + ".oracle")
    return path
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    let file = try FileDescriptor.open(
      FilePath(path), .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite, .groupRead, .otherRead])
    try file.closeAfter { _ = try file.writeAll(bytes) }
  }

  /// Reads an image and, where there is one, its oracle.
  static func read(_ path: String) throws -> (image: [UInt8], oracle: Oracle?) {
    let image = try contents(path)
    guard let text = try? contents(path + ".oracle") else { return (image, nil) }
    var oracle = Oracle(allowed: [])
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      if line == "missing" { oracle.mayBeMissing = true }
      if line.hasPrefix("allowed "), let digest = UInt64(line.dropFirst(8), radix: 16) { oracle.allowed.insert(digest) }
    }
    return (image, oracle)
  }

  private static func contents(_ path: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(FilePath(path), .readOnly)
    return try file.closeAfter {
      let size = Int(try file.seek(offset: 0, from: .end))
      return unsafe try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = unsafe try file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
      }
    }
  }
}
