import ArgumentParser
import BarKV
import PeerDevices

/// `barkv-ingest copy`: values go from store to store by a device that copies.
struct CopyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy",
    abstract: "Copy values from one store to another by QEMU's edu device, in pieces of less than 4 KiB.",
    discussion: """
      For each KEY the value is leased in the first store, room is reserved in the second, and the device reads it there \
      and writes it here; then it reads the last word back, which pushes its own writes before it. A device for teaching: \
      a piece takes a tenth of a second.

        barkv-ingest copy pci:0000:00:10.0/2 pmr:0000:01:00.0 --edu 0000:00:12.0 --queues 0000:00:11.0/2 a b
      """)

  @Argument(help: "The store to copy from.", transform: { try StoreAddress($0) })
  var source: StoreAddress

  @OptionGroup var target: StoreArgument

  @Option(help: ArgumentHelp("The device.", valueName: "DDDD:BB:DD.F"), transform: pciAddress)
  var edu: PCIAddress

  @OptionGroup var memory: QueueOptions

  @Argument(help: "The keys.")
  var keys: [String]

  @Flag(help: "After each value, write how many are durable.")
  var acknowledge = false

  @Flag(help: "Report as JSON, on one line.")
  var json = false

  func validate() throws {
    guard !(acknowledge && json) else {
      throw ValidationError("--acknowledge and --json both write to standard output: give one of them.")
    }
  }

  func run() throws {
    let count = KernelCount()
    var report = IngestReport(title: "copied")
    let probe = try memory.open(sysfs: target.sysfs)
    let device = try EduDevice.open(edu, probe: probe, sysfs: target.sysfs)
    let from = try openStore(source, .readWrite, sysfs: target.sysfs)
    defer { try? from.close() }
    try target.withStore(.readWrite) { store in
      for key in keys {
        report.payloadBytes += try copy(Array(key.utf8), from, store, device)
        report.transfers += 1
        if acknowledge { try Console.write("\(report.transfers)\n") }
      }
    }
    report.commands = device.pieceCount
    report.queueBytes = probe.storedBytes + probe.loadedBytes
    report.kernelBytes = count.bytes
    if !acknowledge { try Console.write(json ? report.json : report.text) }
  }

  private func copy(_ key: [UInt8], _ from: Store, _ to: Store, _ device: EduDevice) throws -> Int {
    guard let lease = try from.lease(key) else {
      throw Failure(Failure.noInput, "the store has no key “\(String(decoding: key, as: UTF8.self))”")
    }
    let source = try BusRange(lease.address, length: lease.length, noAddress: lease.noAddress)
    let place = try to.reserve(lease.length, for: key, alignment: 64)
    do {
      let target = try BusRange(place.address, length: place.length, noAddress: place.noAddress)
      try device.copy(from: source, to: target)
      try device.readBack(target)
    } catch let error as PeerError {
      // A device that did not end in time may still write, so its place stays reserved.
      if case .timedOut = error { throw error }
      try to.abandon(place.token)
      throw error
    }
    try to.commit(place.token, verifying: .completion)
    return lease.length
  }
}
