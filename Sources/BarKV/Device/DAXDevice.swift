import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A device DAX node, by what sysfs says of it.
struct DAXDevice: Sendable, Hashable {
  /// The device's place among all devices, as the kernel names it.
  let path: String
  /// The device's size in bytes.
  let size: Int

  /// What the memory behind a device is.
  enum Kind: Sendable, Hashable {
    /// Behind an NVDIMM bus, in the processor's persistence domain.
    case persistentMemory
    /// Behind an NVDIMM bus that a hypervisor makes: persistent only after a request that a mapping cannot make.
    case paravirtual
    /// A PCIe device's memory.
    case bar
    /// Memory of which nothing says that it outlives a power cut.
    case memory
  }

  /// Finds the character device with those numbers.
  ///
  /// - Returns: `nil` where it is none of DAX.
  init?(major: UInt32, minor: UInt32, sysfs: String) {
    guard let found = unsafe realpath("\(sysfs)/dev/char/\(major):\(minor)", nil) else { return nil }
    defer { unsafe free(found) }
    path = unsafe String(cString: found)
    let subsystem = unsafe realpath(path + "/subsystem", nil)
    defer { unsafe free(subsystem) }
    guard let subsystem = unsafe subsystem, unsafe String(cString: subsystem).hasSuffix("/dax"),
      let text = SmallFile.text(path + "/size"), let size = Int(text), size > 0
    else { return nil }
    self.size = size
  }

  init(path: String, size: Int) {
    self.path = path
    self.size = size
  }

  /// What the device's place says: an NVDIMM's device is below an `ndbusN`, a PCIe device's memory below a PCI function
  /// and no such bus.
  var kind: Kind {
    let parts = path.split(separator: "/")
    if parts.contains(where: { $0.hasPrefix("ndbus") && $0.dropFirst(5).allSatisfy(\.isNumber) && $0.count > 5 }) {
      return parts.contains { $0.hasPrefix("virtio") } ? .paravirtual : .persistentMemory
    }
    return parts.contains { PCIAddress(String($0)) != nil } ? .bar : .memory
  }

  /// How a store on the device persists; `nil` where it must not be there unless that is forced.
  func persistence(acceptsCachedBar: Bool) -> Persistence? {
    switch kind {
    case .persistentMemory:
      return Persistence(
        domain: .cacheFlush, level: .persistent,
        reason: "device DAX behind an NVDIMM bus: a flush and a fence reach the medium")
    case .paravirtual:
      return Persistence(
        domain: .cacheFlush, level: .process,
        reason:
          "device DAX of a virtual machine (virtio-pmem): only the host's flush makes writes persistent, and a mapping "
          + "cannot ask for it")
    case .memory:
      return Persistence(
        domain: .cacheFlush, level: .process,
        reason: "device DAX that is on no NVDIMM bus: nothing says that its memory outlives a power cut")
    case .bar:
      guard acceptsCachedBar else { return nil }
      return Persistence(
        domain: .readBack, level: .deviceAccepted,
        reason:
          "device DAX over a PCIe BAR, mapped write-back, which was forced: a load past the cache pushes what was posted, "
          + "and no standard says that all of it had left the caches")
    }
  }
}
