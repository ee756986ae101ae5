/// The medium that an address names.
extension Medium {
  /// Opens the medium at `address`.
  static func open(at address: StoreAddress, access: Access, options: StoreOptions) throws(StoreError) -> Medium {
    switch address.place {
    case .file: try openFile(path: address.path, access: access, options: options)
    case .dax: try openDAX(at: address, access: access, options: options)
    case .bar, .persistentMemoryRegion: try openBar(at: address, access: access, options: options)
    case .malformed: throw .invalidAddress(address.path)
    }
  }

  /// Makes the medium at `address` ready for a new store: all its bytes are zero, durably where it is a device's.
  ///
  /// - Parameter size: the region's size; `nil` for a device's own.
  static func create(
    at address: StoreAddress, size: Int?, replacing: Bool, options: StoreOptions
  ) throws(StoreError) -> Medium {
    switch address.place {
    case .file:
      try createFile(path: address.path, size: required(size), replacing: replacing, options: options)
    case .dax: try createDAX(at: address, size: size, replacing: replacing, options: options)
    case .bar, .persistentMemoryRegion:
      try createBar(at: address, size: size, replacing: replacing, options: options)
    case .malformed: throw .invalidAddress(address.path)
    }
  }
}
