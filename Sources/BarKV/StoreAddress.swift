/// Where a store lives: a file today; DAX devices and PCIe BARs by the same text form.
///
/// | text | medium |
/// |---|---|
/// | `PATH`, `file:PATH` | a file, on any file system |
/// | `dax:/dev/dax0.0` | a device DAX region |
/// | `pci:0000:01:00.0/2` | BAR 2 of a PCI function |
/// | `pmr:0000:01:00.0` | the Persistent Memory Region of an NVMe controller |
///
/// Only files can be opened by this build; the other forms are known as such and answer
/// ``StoreError/unsupportedMedium(_:)``, so that a device is never mistaken for a path.
public struct StoreAddress: Sendable, Hashable, CustomStringConvertible {
  /// The file's path; of another medium, the whole text.
  public let path: String

  /// Whether the address names a medium other than a file.
  private let isDevice: Bool

  /// The address of the file at `path`, whatever characters it has.
  public init(path: String) {
    self.path = path
    isDevice = false
  }

  /// Reads an address from its text form.
  ///
  /// - Throws: ``StoreError/invalidAddress(_:)`` for an empty text or path, ``StoreError/unsupportedMedium(_:)`` for a
  ///   device form.
  public init(_ text: String) throws(StoreError) {
    self.init(stringLiteral: text)
    do throws(StoreError) { try validate() } catch {
      if case .invalidAddress = error { throw .invalidAddress(text) }
      throw error
    }
  }

  /// - Throws: why nothing can be opened at this address, if nothing can.
  func validate() throws(StoreError) {
    if isDevice { throw .unsupportedMedium(path) }
    guard !path.isEmpty, !path.utf8.contains(0) else { throw .invalidAddress(path) }
  }

  /// The text form, which ``init(_:)`` reads back.
  public var description: String { isDevice ? path : "file:\(path)" }
}

extension StoreAddress: ExpressibleByStringLiteral {
  /// The address with this text form; what cannot be opened says so when it is.
  public init(stringLiteral text: String) {
    isDevice = ["dax:", "pci:", "pmr:"].contains { text.hasPrefix($0) }
    path = text.hasPrefix("file:") ? String(text.dropFirst("file:".count)) : text
  }
}
