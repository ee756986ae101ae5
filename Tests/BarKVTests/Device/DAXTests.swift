import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// DAX addresses: what a device is by its place in sysfs, and what is not on DAX at all.
@Suite struct DAXTests {
  @Test(arguments: [
    ("/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/dax0.0/dax0.0", DAXDevice.Kind.persistentMemory),
    ("/sys/devices/platform/e820_pmem/ndbus0/region0/dax0.0/dax0.0", .persistentMemory),
    ("/sys/devices/pci0000:00/0000:00:05.0/virtio2/ndbus1/region1/dax1.0/dax1.0", .paravirtual),
    ("/sys/devices/platform/hmem.0/dax0.0", .memory),
    ("/sys/devices/pci0000:00/0000:00:10.0/iopmem0/dax/dax0.0", .bar),
    ("/sys/devices/platform/ndbus/dax0.0", .memory), ("/sys/devices/platform/ndbusx/dax0.0", .memory),
  ]) func kinds(path: String, kind: DAXDevice.Kind) {
    #expect(DAXDevice(path: path, size: 2 << 20).kind == kind)
  }

  @Test func levels() {
    func persistence(_ path: String, forced: Bool = false) -> Persistence? {
      DAXDevice(path: path, size: 2 << 20).persistence(acceptsCachedBar: forced)
    }
    #expect(persistence("/a/ndbus0/dax0.0")?.level == .persistent)
    #expect(persistence("/a/virtio0/ndbus0/dax0.0")?.level == .process)
    #expect(persistence("/a/hmem.0/dax0.0")?.level == .process)
    #expect(persistence("/a/0000:00:10.0/dax0.0") == nil)
    let forced = persistence("/a/0000:00:10.0/dax0.0", forced: true)
    #expect(forced?.level == .deviceAccepted && forced?.domain == .readBack)
  }

  /// A device node of a test's own, which goes when this goes: the character device 1:5, as `/dev/zero` is, whose mappings are
  /// memory of its mapper. The one in `/dev` may be locked by another test.
  private final class Node {
    let path = "/tmp/barkv-node-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"

    /// - Returns: `nil` where this process may make none, or none that can be opened.
    init?() {
      guard unsafe mknod(path, S_IFCHR | 0o600, 1 << 8 | 5) == 0 else { return nil }
      let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
      guard descriptor >= 0 else {
        unsafe unlink(path)
        return nil
      }
      close(descriptor)
    }

    deinit { unsafe unlink(path) }
  }

  /// A folder that looks like sysfs, in which the character device 1:5 is one of DAX at `place`.
  private func sysfs(_ place: String, size: Int) throws -> FakeSysfs {
    let sysfs = try FakeSysfs()
    try sysfs.addDAXDevice(place, major: 1, minor: 5, size: size)
    return sysfs
  }

  @Test(
    .enabled(if: DAXTests.Node() != nil, "device nodes are made by root"),
    arguments: [
      ("platform/ndbus0/dax0.0", PersistenceDomain.cacheFlush, PersistenceLevel.persistent),
      ("platform/hmem.0/dax0.0", .cacheFlush, .process), ("pci0000:00/0000:00:10.0/dax0.0", .readBack, .deviceAccepted),
    ]) private func aDevice(place: String, domain: PersistenceDomain, level: PersistenceLevel) throws
  {
    let sysfs = try sysfs(place, size: 2 << 20)
    let node = try #require(Node())
    let address = try StoreAddress("dax:\(node.path)")
    var options = StoreOptions()
    options.sysfs = sysfs.root
    if domain == .readBack {
      guard case .deviceUnusable = storeError({ _ = try Store.create(at: address, options: options) }) else {
        Issue.record("a BAR mapped write-back was taken unasked")
        return
      }
      options.acceptsCachedBar = true
    }
    let store = try Store.create(at: address, options: options)
    #expect(store.persistence.domain == domain && store.persistence.level == level)
    #expect(store.statistics.regionBytes == 2 << 20)
    for number in 0..<100 { try store.put(value(number, length: 100), for: key(number)) }
    #expect(try store.get(key(8)) == value(8, length: 100))
    #expect(try store.verify().isSound)
    try store.close()
    withExtendedLifetime(node) {}
  }

  @Test func whatIsNotOnDAX() throws {
    let file = TemporaryFile()
    let address = try StoreAddress("dax:\(file.path)")
    #expect(storeError { _ = try Store.open(at: address) } == .noSuchStore(file.path))
    if unsafe getenv("PMEM_IS_PMEM_FORCE") == nil {
      #expect(
        storeError { _ = try Store.create(at: address, size: 1 << 20) } == .unsupportedMedium(address.description))
      // What was made for it does not stay.
      #expect(!Files.exists(file.path))
      try Store.create(at: file.address, size: 1 << 20).close()
      #expect(storeError { _ = try Store.open(at: address) } == .unsupportedMedium(address.description))
    }
    for path in ["/dev/null", "/tmp"] {
      let address = try StoreAddress("dax:\(path)")
      #expect(
        storeError { _ = try Store.open(at: address, access: .readOnly) } == .unsupportedMedium(address.description))
    }
    guard case .invalidSize = storeError({ _ = try Store.create(at: file.address) }) else {
      Issue.record("a file without a size")
      return
    }
  }
}
