#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// At what address other devices find the region's first byte, as far as that can be known.
struct PeerAddressing: Sendable {
  /// The address for devices other than the region's own.
  var base: BusAddress?
  /// The address for commands of the controller whose Persistent Memory Region this is.
  var controllerBase: BusAddress?
  /// Why there is no `base`.
  var refusal: NoBusAddress?

  init(_ medium: Medium, options: StoreOptions) {
    if let given = options.peerAddressBase {
      base = BusAddress(value: given, source: .caller)
      return
    }
    switch medium.backing {
    case .memory, .borrowed: refusal = .memory
    case .file(let file): refusal = file.hasSize ? .file : .dax
    case .bar(let bar):
      controllerBase = medium.barrierRead?.controllerBase.map { BusAddress(value: $0, source: .pmrControllerBase) }
      refusal = Self.translation(ofDeviceAt: bar.configuration.directory)
      // What the kernel lists is the processor's address of the BAR, and on a bus that nobody translates the devices', too.
      if refusal == nil { base = BusAddress(value: bar.bar.address, source: .sysfsBar) }
    }
  }

  /// The IOMMU that stands before the device, unless it passes addresses on as they are. What cannot be read is taken to
  /// translate: a wrong address makes a device write where nobody knows.
  private static func translation(ofDeviceAt directory: String) -> NoBusAddress? {
    guard let group = unsafe realpath("\(directory)/iommu_group", nil) else { return nil }
    defer { unsafe free(group) }
    let path = unsafe String(cString: group)
    let domain = SmallFile.text(path + "/type") ?? "unknown"
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return domain == "identity" ? nil : .translated(group: name, domain: domain)
  }

  /// A range of the region with its addresses.
  func range(_ offset: Int, length: Int) -> PeerRange {
    PeerRange(
      offset: offset, length: length, address: base?.advanced(by: offset),
      controllerAddress: controllerBase?.advanced(by: offset), noAddress: refusal)
  }
}
