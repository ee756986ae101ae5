import BarKV
import Testing

@testable import PeerDevices

/// A bus with a disk, memory for its queues, and memory that it reaches: a thread for the disk, files for the memory.
final class Bench {
  static let disk = "0000:03:00.0"
  static let queues = "0000:00:11.0"
  static let target = "0000:00:10.0"
  static let queueAddress: UInt64 = 0x10_0000_0000
  static let targetAddress: UInt64 = 0x20_0000_0000
  static let targetBytes = 4 << 20

  let sysfs: FakeSysfs
  let controller: FakeController
  /// What is behind the memory that the disk reaches.
  let memory: DeviceFile
  /// The disk's blocks at first.
  let blocks: [UInt8]

  init(_ misbehaviour: FakeController.Misbehaviour = .init(), seed: UInt64 = 1) throws {
    sysfs = try FakeSysfs()
    var registers = FakeSysfs.Bar(index: 0, address: 0xFEBD_0000, size: 16 << 10)
    registers.isPrefetchable = false
    registers.hasWriteCombiningFile = false
    try sysfs.add(
      .init(address: Self.disk, vendor: 0x1B36, device: 0x0010, deviceClass: 0x01_08_02, bars: [registers]))
    try sysfs.add(.init(address: Self.queues, bars: [.init(index: 2, address: Self.queueAddress, size: 1 << 20)]))
    try sysfs.add(
      .init(address: Self.target, bars: [.init(index: 2, address: Self.targetAddress, size: Self.targetBytes)]))
    memory = try DeviceFile(sysfs.path(Self.target, "resource2"))
    var generator = SeededGenerator(seed: seed)
    blocks = generator.bytes(2 << 20)
    controller = try FakeController(
      registers: DeviceFile(sysfs.path(Self.disk, "resource0")),
      memory: [
        .init(start: Self.queueAddress, file: DeviceFile(sysfs.path(Self.queues, "resource2")), length: 1 << 20),
        .init(start: Self.targetAddress, file: memory, length: Self.targetBytes),
      ], disk: blocks, misbehaviour: misbehaviour)
  }

  deinit {
    controller.stop()
  }

  /// The disk, driven from this process.
  func open() throws -> (NVMeController, NVMeNamespace) {
    let memory = try DeviceMemory(function: #require(PCIAddress(Self.queues)), bar: 2, sysfs: sysfs.root)
    let opened = try NVMeController.open(
      #require(PCIAddress(Self.disk)), queues: memory, unbindingDriver: false, sysfs: sysfs.root)
    return (opened, try opened.namespace(1))
  }

  /// A store in the memory that the disk reaches.
  func store(creating: Bool = false) throws -> Store {
    var options = StoreOptions()
    options.sysfs = sysfs.root
    let address = try StoreAddress("pci:\(Self.target)/2")
    return creating
      ? try Store.create(at: address, options: options) : try Store.open(at: address, options: options)
  }
}
