import SystemPackage

/// How far the kernel's lockdown keeps even root from the hardware.
enum Lockdown: String, Sendable, Hashable, CaseIterable {
  /// Not at all.
  case none
  /// The kernel cannot be changed from outside: no BAR can be mapped.
  case integrity
  /// Nor can its secrets be read: no BAR can be mapped.
  case confidentiality

  /// Reads what `/sys/kernel/security/lockdown` says: all modes, with the one that holds in brackets.
  init?(text: String) {
    guard let opening = text.firstIndex(of: "["), let closing = text[opening...].firstIndex(of: "]") else { return nil }
    self.init(rawValue: String(text[text.index(after: opening)..<closing]))
  }

  /// The mode that holds, or `nil` where the kernel does not say: it has no lockdown, or its file system is not mounted.
  init?(path: String) {
    guard let descriptor = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else {
      return nil
    }
    defer { try? descriptor.close() }
    var bytes = [UInt8](repeating: 0, count: 256)
    guard let count = unsafe try? bytes.withUnsafeMutableBytes({ unsafe try descriptor.read(into: $0) }) else {
      return nil
    }
    self.init(text: String(decoding: bytes.prefix(count), as: UTF8.self))
  }
}
