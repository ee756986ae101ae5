import ArgumentParser
import BarKV
import PeerDevices

/// The store that a command works on.
struct StoreArgument: ParsableArguments {
  @Argument(help: "The store: pci:DDDD:BB:DD.F/BAR or pmr:DDDD:BB:DD.F.", transform: { try StoreAddress($0) })
  var store: StoreAddress

  @Option(help: ArgumentHelp("Where sysfs is mounted, or a copy of it for tests.", visibility: .hidden))
  var sysfs = "/sys"

  /// Opens it, hands it to `body`, and closes it.
  func withStore<Result>(_ access: Access, _ body: (Store) throws -> Result) throws -> Result {
    let opened = try openStore(store, access, sysfs: sysfs)
    let result: Result
    do { result = try body(opened) } catch {
      // The first error is the one to report.
      try? opened.close()
      throw error
    }
    try opened.close()
    return result
  }
}

/// Opens a store without its copy in DRAM: nothing of a value is to pass through there.
func openStore(_ address: StoreAddress, _ access: Access, sysfs: String) throws -> Store {
  var options = StoreOptions()
  options.sysfs = sysfs
  options.mirrorBytes = 0
  return try Store.open(at: address, access: access, options: options)
}

/// The memory that a device's queues are in.
struct QueueOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The BAR whose memory holds the device's queues: it must hold nothing else.", valueName: "DDDD:BB:DD.F/BAR"),
    transform: { try BarName($0) })
  var queues: BarName

  /// Takes the memory.
  func open(sysfs: String) throws -> DeviceMemory {
    try DeviceMemory(function: queues.function, bar: queues.index, sysfs: sysfs)
  }
}

/// A function's BAR, as the command line names it.
struct BarName {
  let function: PCIAddress
  let index: Int

  init(_ text: String) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let function = PCIAddress(String(parts[0])), let index = Int(parts[1]),
      (0...5).contains(index)
    else { throw ValidationError("a BAR is named DDDD:BB:DD.F/BAR") }
    self.function = function
    self.index = index
  }
}

/// Reads a function's address.
func pciAddress(_ text: String) throws -> PCIAddress {
  guard let address = PCIAddress(text) else { throw ValidationError("a function is named DDDD:BB:DD.F") }
  return address
}

/// The disk that a command works on.
struct DiskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The disk's NVMe controller.", valueName: "DDDD:BB:DD.F"), transform: pciAddress)
  var disk: PCIAddress

  @OptionGroup var memory: QueueOptions

  @Option(help: ArgumentHelp("The disk's namespace.", valueName: "number"))
  var namespace: UInt32 = 1

  @Flag(
    help: """
      Unbind the disk's kernel driver, if one is bound; it stays unbound. A disk that is mounted is refused.
      """)
  var unbind = false

  /// Takes the disk, resets it, hands it to `body`, and resets it again: then it moves no more bytes, whatever happened.
  func withDisk<Result>(
    sysfs: String, _ body: (NVMeController, NVMeNamespace) throws -> Result
  ) throws -> Result {
    let controller = try NVMeController.open(
      disk, queues: try memory.open(sysfs: sysfs), unbindingDriver: unbind, sysfs: sysfs)
    let result: Result
    do { result = try body(controller, try controller.namespace(namespace)) } catch {
      try? controller.close()
      throw error
    }
    try controller.close()
    return result
  }
}
