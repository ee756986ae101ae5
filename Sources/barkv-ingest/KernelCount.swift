import SystemPackage

/// What the kernel has counted of this process's read and write calls: a payload that took that way would show.
struct KernelCount {
  private let start: Int?

  init() { start = Self.now() }

  /// The bytes since this was made; `nil` where the kernel does not count.
  var bytes: Int? {
    guard let start, let now = Self.now() else { return nil }
    return now - start
  }

  private static func now() -> Int? {
    let path = FilePath("/proc/self/io")
    guard let descriptor = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
    defer { try? descriptor.close() }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = unsafe try? bytes.withUnsafeMutableBytes { buffer in unsafe try descriptor.read(into: buffer) }
    guard let count else { return nil }
    var sum: Int?
    for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, words[0] == "rchar:" || words[0] == "wchar:", let value = Int(words[1]) else { continue }
      sum = (sum ?? 0) + value
    }
    return sum
  }
}
