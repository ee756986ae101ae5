import Foundation

/// A tree of files that looks to libpci and to the store like the `/sys` of a machine with PCI functions; it goes when this
/// goes.
final class FakeSysfs: Sendable {
  /// A base address register and its files.
  struct Bar {
    var index: Int
    var address: UInt64 = 0x40_0000_0000
    var size: Int = 16 << 20
    var isMemory = true
    var is64Bit = true
    var isPrefetchable = true
    var hasFile = true
    var hasWriteCombiningFile = true
    /// What the resource file starts with; the rest of it is zeros.
    var contents: [UInt8] = []

    /// The register's low four bits.
    fileprivate var lowBits: UInt64 {
      isMemory ? (is64Bit ? 0x4 : 0) | (isPrefetchable ? 0x8 : 0) : 0x1
    }

    /// The kernel's flags of the resource.
    fileprivate var flags: UInt64 {
      guard isMemory else { return 0x4_0100 | lowBits }
      return 0x4_0200 | lowBits | (is64Bit ? 0x10_0000 : 0) | (isPrefetchable ? 0x2000 : 0)
    }
  }

  /// A function to add.
  struct Function {
    var address: String
    var vendor: UInt16 = 0x1AF4
    var device: UInt16 = 0x1110
    /// Class, subclass and programming interface.
    var deviceClass: UInt32 = 0x05_00_00
    var hasMemorySpace = true
    var driver: String?
    var numaNode = -1
    var iommuGroup: String?
    var bars: [Bar] = []
    var configurationLength = 256
    /// What `power/control` says; `nil` where there is no such file.
    var power: String?
  }

  /// Where the tree is.
  let root: String

  init() throws {
    // On tmpfs where there is one: a bus is thousands of files.
    let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
    root = "\(base)/barkv-sysfs-\(UUID().uuidString)"
    for folder in ["bus/pci/devices", "bus/pci/drivers", "devices/pci0000:00", "kernel/security"] {
      try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
    }
  }

  deinit {
    try? FileManager.default.removeItem(atPath: root)
  }

  /// The path of a function's file.
  func path(_ address: String, _ file: String) -> String {
    "\(root)/devices/pci0000:00/\(address)/\(file)"
  }

  /// Writes a function's file.
  func write(_ text: String, _ address: String, _ file: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(address, file)))
  }

  /// What a function's file says, without white space at its end.
  func text(_ address: String, _ file: String) throws -> String {
    try String(contentsOfFile: path(address, file), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Overwrites bytes of a function's file in place.
  func overwrite(_ bytes: [UInt8], at offset: Int, _ address: String, _ file: String) throws {
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path(address, file)))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data(bytes))
  }

  /// Bytes of a function's file.
  func bytes(_ address: String, _ file: String, _ range: Range<Int>) throws -> [UInt8] {
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path(address, file)))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(range.lowerBound))
    return try Array(handle.read(upToCount: range.count) ?? Data())
  }

  /// Changes a register of a controller's BAR 0.
  func setRegister(_ offset: Int, to word: UInt32, _ address: String) throws {
    try overwrite((0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }, at: offset, address, "resource0")
  }

  /// A register of a controller's BAR 0.
  func register(_ offset: Int, _ address: String) throws -> UInt32 {
    try bytes(address, "resource0", offset..<offset + 4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Makes the kernel list these memory types.
  func setMemoryTypes(_ text: String) throws {
    try FileManager.default.createDirectory(atPath: "\(root)/kernel/debug/x86", withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/kernel/debug/x86/pat_memtype_list"))
  }

  /// Removes a function's file.
  func remove(_ address: String, _ file: String) throws {
    try FileManager.default.removeItem(atPath: path(address, file))
  }

  /// Takes a function off the bus.
  func removeFunction(_ address: String) throws {
    try FileManager.default.removeItem(atPath: "\(root)/bus/pci/devices/\(address)")
    try FileManager.default.removeItem(atPath: path(address, ""))
  }

  /// Makes the kernel say that it is locked down.
  func lockDown(_ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/kernel/security/lockdown"))
  }

  /// Adds a function, with links as the kernel makes them.
  func add(_ function: Function) throws {
    let address = function.address
    let manager = FileManager.default
    try manager.createDirectory(atPath: path(address, ""), withIntermediateDirectories: true)
    try manager.createSymbolicLink(
      atPath: "\(root)/bus/pci/devices/\(address)", withDestinationPath: "../../../devices/pci0000:00/\(address)")
    try write("0x\(hex(UInt64(function.vendor), 4))\n", address, "vendor")
    try write("0x\(hex(UInt64(function.device), 4))\n", address, "device")
    try write("0x\(hex(UInt64(function.deviceClass), 6))\n", address, "class")
    try write("0x00\n", address, "revision")
    try write("0\n", address, "irq")
    try write("\(function.numaNode)\n", address, "numa_node")
    try write(resourceText(function.bars), address, "resource")
    try Data(configuration(function)).write(to: URL(fileURLWithPath: path(address, "config")))
    for bar in function.bars where bar.hasFile {
      let file = URL(fileURLWithPath: path(address, "resource\(bar.index)"))
      try Data(bar.contents).write(to: file)
      let handle = try FileHandle(forWritingTo: file)
      try handle.truncate(atOffset: UInt64(bar.size))
      try handle.close()
      // Two names of the same memory, as a device's are.
      if bar.hasWriteCombiningFile && bar.isMemory {
        try manager.linkItem(atPath: file.path, toPath: file.path + "_wc")
      }
    }
    if let power = function.power {
      try manager.createDirectory(atPath: path(address, "power"), withIntermediateDirectories: true)
      try write(power + "\n", address, "power/control")
    }
    if let driver = function.driver {
      try link(address, "driver", to: "bus/pci/drivers/\(driver)")
    }
    if let group = function.iommuGroup {
      try link(address, "iommu_group", to: "kernel/iommu_groups/\(group)")
    }
  }

  /// Makes the character device with those numbers one of DAX, at `place` below `devices`.
  func addDAXDevice(_ place: String, major: Int, minor: Int, size: Int) throws {
    let manager = FileManager.default
    let folder = "\(root)/devices/\(place)"
    for path in [folder, "\(root)/dev/char", "\(root)/bus/dax"] {
      try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    try Data("\(size)\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/size"))
    try manager.createSymbolicLink(atPath: "\(folder)/subsystem", withDestinationPath: "\(root)/bus/dax")
    try manager.createSymbolicLink(atPath: "\(root)/dev/char/\(major):\(minor)", withDestinationPath: folder)
  }

  private func link(_ address: String, _ name: String, to folder: String) throws {
    try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: path(address, name), withDestinationPath: "../../../\(folder)")
  }

  /// The kernel's `resource` file: start, end and flags of six BARs, the expansion ROM, and a bridge's windows.
  private func resourceText(_ bars: [Bar]) -> String {
    (0..<13).map { line in
      guard let bar = bars.first(where: { $0.index == line }) else { return [0, 0, 0] }
      return [bar.address, bar.address == 0 ? 0 : bar.address + UInt64(bar.size) - 1, bar.flags]
    }.map { (words: [UInt64]) in
      words.map { "0x\(hex($0, 16))" }.joined(separator: " ") + "\n"
    }.joined()
  }

  /// The configuration space.
  private func configuration(_ function: Function) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 256)
    func put(_ value: UInt64, _ offset: Int, _ count: Int) {
      for index in 0..<count { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }
    put(UInt64(function.vendor), 0, 2)
    put(UInt64(function.device), 2, 2)
    put(function.hasMemorySpace ? 0x0002 : 0, 4, 2)
    put(UInt64(function.deviceClass), 9, 3)
    for bar in function.bars {
      put(bar.address | bar.lowBits, 0x10 + 4 * bar.index, bar.is64Bit && bar.isMemory ? 8 : 4)
    }
    return Array(bytes.prefix(function.configurationLength))
  }

  private func hex(_ number: UInt64, _ digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}

extension FakeSysfs.Function {
  /// An NVMe controller with a PMR as BAR 4, as QEMU has it; `registers` are offsets and words in BAR 0.
  static func nvme(
    _ address: String, registers: [Int: UInt32] = FakeSysfs.persistentMemoryRegisters, driver: String? = nil,
    size: Int = 64 << 20, power: String? = nil
  ) -> Self {
    var page = [UInt8](repeating: 0, count: 4096)
    for (offset, word) in registers {
      for index in 0..<4 { page[offset + index] = UInt8(truncatingIfNeeded: word >> UInt32(8 * index)) }
    }
    return Self(
      address: address, vendor: 0x1B36, device: 0x0010, deviceClass: 0x01_08_02, driver: driver, numaNode: 1,
      iommuGroup: "12",
      bars: [
        FakeSysfs.Bar(
          index: 0, address: 0xFEBD_0000, size: 16 << 10, isPrefetchable: false, hasWriteCombiningFile: false,
          contents: page),
        FakeSysfs.Bar(index: 4, address: 0x38_0000_0000, size: size),
      ], power: power)
  }
}

extension FakeSysfs {
  /// The registers of an enabled PMR in BAR 4, whose barrier is a read of PMRSTS.
  static let persistentMemoryRegisters: [Int: UInt32] = [
    0x00: 0x0F01_07FF, 0x04: 0x0100_0020, 0xE00: 4 << 5 | 2 << 10 | 3 << 3, 0xE04: 1, 0xE08: 0,
  ]

  /// The same with some registers changed.
  static func persistentMemoryRegisters(_ changes: [Int: UInt32]) -> [Int: UInt32] {
    persistentMemoryRegisters.merging(changes) { $1 }
  }
}
