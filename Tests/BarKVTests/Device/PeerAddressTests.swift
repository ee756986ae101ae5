import Testing

@testable import BarKV

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// At what address a peer is told to find a reservation.
@Suite struct PeerAddressTests {
  private static let address = "0000:01:00.0"
  private let sysfs: FakeSysfs

  init() throws {
    sysfs = try FakeSysfs()
  }

  private var options: StoreOptions {
    var options = StoreOptions()
    options.sysfs = sysfs.root
    return options
  }

  private func addBar(group: String? = nil, domain: String? = nil) throws {
    var function = FakeSysfs.Function(
      address: Self.address, bars: [FakeSysfs.Bar(index: 2, address: 0x38_0000_0000, size: 1 << 20)])
    function.iommuGroup = group
    if let group {
      let folder = "\(sysfs.root)/kernel/iommu_groups/\(group)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      if let domain { try Data("\(domain)\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/type")) }
    }
    try sysfs.add(function)
  }

  @Test func theBarsStart() throws {
    try addBar()
    let store = try Store.create(at: "pci:0000:01:00.0/2", options: options)
    let reservation = try store.reserve(5000, for: "key")
    #expect(
      reservation.address == BusAddress(value: 0x38_0000_0000 + UInt64(reservation.offset), source: .sysfsBar))
    #expect(reservation.noAddress == nil && reservation.controllerAddress == nil)
    #expect("\(try #require(reservation.address))" == "0x3800021000" || reservation.offset != 0x21000)
    try store.close()
  }

  @Test(arguments: [("DMA", false), ("DMA-FQ", false), ("blocked", false), (nil, false), ("identity", true)])
  func behindAnIOMMU(domain: String?, isKnown: Bool) throws {
    try addBar(group: "7", domain: domain)
    let store = try Store.create(at: "pci:0000:01:00.0/2", options: options)
    let reservation = try store.reserve(5000, for: "key")
    if isKnown {
      #expect(reservation.address?.source == .sysfsBar)
    } else {
      #expect(reservation.address == nil)
      #expect(reservation.noAddress == .translated(group: "7", domain: domain ?? "unknown"))
      #expect(reservation.pieces(ofAtMost: 4096).allSatisfy { $0.address == nil })
    }
    try store.abandon(reservation.token)
    try store.close()
    var mapped = options
    mapped.peerAddressBase = 0x10_0000
    let again = try Store.open(at: "pci:0000:01:00.0/2", options: mapped)
    let other = try again.reserve(5000, for: "key")
    #expect(other.address == BusAddress(value: 0x10_0000 + UInt64(other.offset), source: .caller))
    try again.close()
  }

  @Test(arguments: [false, true]) func aControllersOwnBase(isEnabled: Bool) throws {
    var changes: [Int: UInt32] = [0xE14: 0x4000_0000, 0xE18: 0x12]
    if isEnabled { changes[0xE14] = 0x4000_0002 }
    try sysfs.add(
      .nvme(Self.address, registers: FakeSysfs.persistentMemoryRegisters(changes), size: 1 << 20, power: "auto"))
    let store = try Store.create(at: "pmr:0000:01:00.0", options: options)
    let reservation = try store.reserve(5000, for: "key")
    // Other devices find it where the BAR is, whatever the controller itself was told; its function is in a group whose kind
    // nobody knows.
    #expect(
      reservation.noAddress == .translated(group: "12", domain: "unknown") || reservation.address?.source == .sysfsBar)
    #expect(
      reservation.controllerAddress
        == (isEnabled
          ? BusAddress(value: 0x12_4000_0000 + UInt64(reservation.offset), source: .pmrControllerBase) : nil))
    try store.close()
  }

  @Test func files() throws {
    let file = TemporaryFile()
    let store = try Store.create(at: file.address, size: 1 << 20)
    let reservation = try store.reserve(5000, for: "key")
    #expect(reservation.address == nil && reservation.noAddress == .file)
    // Another process, with a mapping of its own, or as here by a write.
    let descriptor = unsafe open(file.path, O_WRONLY)
    let bytes = value(1, length: 5000)
    #expect(
      unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, off_t(reservation.offset)) }
        == 5000)
    close(descriptor)
    try store.commit(reservation.token)
    #expect(try store.get("key") == value(1, length: 5000))
    try store.close()
    let again = try Store.open(at: file.address)
    #expect(try again.get("key") == value(1, length: 5000))
    try again.close()
  }
}
