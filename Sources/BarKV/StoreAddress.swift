/// Where a store lives: a file today; DAX devices and PCIe BARs by the same text form.
///
/// | text | medium |
/// |---|---|
/// | `PATH`, `file:PATH` | a file, on any file system |
/// | `dax:/dev/dax0.0` | a device DAX region |
/// | `pci:0000:01:00.0/2` | BAR 2 of a PCI function |
/// | `pmr:0000:01:00.0` | the Persistent Memory Region of an NVMe controller |
///
/// Only files can be opened by this build; the other forms parse as such and answer
/// ``StoreError/unsupportedMedium(_:)``, so that a path is never mistaken for a device.
public struct StoreAddress: Sendable, Hashable, CustomStringConvertible {
  /// The file's path, as given.
  public let path: String

  /// The address of the file at `path`, whatever characters it has.
  public init(path: String) {
    self.path = path
  }

  /// Reads an address from its text form.
  ///
  /// - Throws: ``StoreError/invalidAddress(_:)`` for an empty text or path, ``StoreError/unsupportedMedium(_:)`` for a
  ///   device form.
  public init(_ text: String) throws(StoreError) {
    for scheme in ["dax:", "pci:", "pmr:"] where text.hasPrefix(scheme) {
      throw .unsupportedMedium(text)
    }
    let path = text.hasPrefix("file:") ? String(text.dropFirst("file:".count)) : text
    guard !path.isEmpty, !path.utf8.contains(0) else { throw .invalidAddress(text) }
    self.path = path
  }

  /// The text form, which ``init(_:)`` reads back.
  public var description: String { "file:\(path)" }
}

extension StoreAddress: ExpressibleByStringLiteral {
  /// The address of the file whose path the literal is; a literal of the text form goes through ``init(_:)``.
  public init(stringLiteral path: String) {
    self.init(path: path)
  }
}
