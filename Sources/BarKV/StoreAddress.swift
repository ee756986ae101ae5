/// Where a store lives: a file, a DAX device, or the memory behind a PCIe BAR.
///
/// | text | medium |
/// |---|---|
/// | `PATH`, `file:PATH` | a file, on any file system |
/// | `dax:/dev/dax0.0`, `dax:PATH` | a device DAX region, or a file on a DAX file system, and nothing less |
/// | `pci:0000:01:00.0/2` | BAR 2 of a PCI function |
/// | `pmr:0000:01:00.0` | the Persistent Memory Region of an NVMe controller |
///
/// `kvcli devices`, and ``PCIFunction/discover(sysfs:)``, name the addresses that a machine has.
public struct StoreAddress: Sendable, Hashable, CustomStringConvertible {
  /// The path of a file or DAX device; of a PCI device, the whole text.
  public let path: String

  /// Whether the address names something else than a file by its path: a store there has the device's size, and is not
  /// removed with a file. `dax:` counts, whatever is at its path.
  public var isDevice: Bool { place != .file }

  /// What kind of place the address names.
  let place: Place

  /// The kinds of places.
  enum Place: Sendable, Hashable {
    case file
    case dax
    case bar(PCIAddress, index: Int)
    case persistentMemoryRegion(PCIAddress)
    /// A device's form whose rest is none.
    case malformed
  }

  /// The address of the file at `path`, whatever characters it has.
  public init(path: String) {
    self.path = path
    place = .file
  }

  /// Reads an address from its text form.
  ///
  /// - Throws: ``StoreError/invalidAddress(_:)`` for an empty text or path, and for a device's form that is not whole.
  public init(_ text: String) throws(StoreError) {
    self.init(stringLiteral: text)
    do throws(StoreError) { try validate() } catch { throw .invalidAddress(text) }
  }

  /// - Throws: why nothing can be opened at this address, if nothing can.
  func validate() throws(StoreError) {
    guard place != .malformed, !path.isEmpty, !path.utf8.contains(0) else { throw .invalidAddress(path) }
  }

  /// The text form, which ``init(_:)`` reads back.
  public var description: String {
    switch place {
    case .file: "file:\(path)"
    case .dax: "dax:\(path)"
    case .bar, .persistentMemoryRegion, .malformed: path
    }
  }
}

extension StoreAddress: ExpressibleByStringLiteral {
  /// The address with this text form; what cannot be opened says so when it is.
  public init(stringLiteral text: String) {
    if text.hasPrefix("dax:") {
      (path, place) = (String(text.dropFirst("dax:".count)), .dax)
    } else if text.hasPrefix("pmr:") {
      path = text
      place = PCIAddress(String(text.dropFirst("pmr:".count))).map { .persistentMemoryRegion($0) } ?? .malformed
    } else if text.hasPrefix("pci:") {
      (path, place) = (text, Self.bar(text.dropFirst("pci:".count)) ?? .malformed)
    } else {
      path = text.hasPrefix("file:") ? String(text.dropFirst("file:".count)) : text
      place = .file
    }
  }

  /// A function's address, a slash, and the number of a BAR: 0 to 5.
  private static func bar(_ text: Substring) -> Place? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].utf8.count == 1, let index = Int(parts[1]), (0...5).contains(index),
      let address = PCIAddress(String(parts[0]))
    else { return nil }
    return .bar(address, index: index)
  }
}
