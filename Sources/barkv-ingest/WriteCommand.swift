import ArgumentParser
import BarKV
import PeerDevices

/// `barkv-ingest write`: values become a disk's blocks.
struct WriteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "write",
    abstract: "Write values from a store to a disk's blocks. What was in the blocks is lost.",
    discussion: """
      For each KEY:FIRST the value is leased, so that it stays where it is, and the disk reads it from there and writes it \
      to its blocks from FIRST on. The value's length has to be a whole number of blocks. When the command ends with \
      status 0 the disk has been told to make durable what it was given.

        barkv-ingest write pmr:0000:01:00.0 --disk 0000:03:00.0 --queues 0000:00:11.0/2 a:8192
      """)

  @OptionGroup var target: StoreArgument
  @OptionGroup var device: DiskOptions

  @Argument(help: ArgumentHelp("KEY:FIRST; a single “-” reads them from standard input, a line each."))
  var transfers: [String]

  @Flag(help: "Report as JSON, on one line.")
  var json = false

  func validate() throws { try TransferList.validate(transfers, withBlocks: false) }

  func run() throws {
    var report = IngestReport(title: "wrote")
    try report.measure(device, sysfs: target.sysfs) { report, controller, namespace in
      try target.withStore(.readWrite) { store in
        let list = TransferList(transfers, withBlocks: false)
        for transfer in list {
          report.payloadBytes += try write(transfer, store, controller, namespace)
          report.transfers += 1
        }
        try list.checkEnd()
        try controller.flush(namespace)
      }
    }
    try Console.write(json ? report.json : report.text)
  }

  private func write(
    _ transfer: BlockTransfer, _ store: Store, _ controller: NVMeController, _ namespace: NVMeNamespace
  ) throws -> Int {
    guard let lease = try store.lease(transfer.key) else {
      throw Failure(Failure.noInput, "the store has no key “\(String(decoding: transfer.key, as: UTF8.self))”")
    }
    guard lease.length > 0, lease.length % namespace.blockBytes == 0 else {
      throw Failure(
        Failure.usage, "a value of \(lease.length) bytes is not some whole blocks of \(namespace.blockBytes)")
    }
    let memory = [try BusRange(lease.address, length: lease.length, noAddress: lease.noAddress)]
    do {
      try controller.wait(
        for: controller.begin(.write, namespace, firstBlock: transfer.firstBlock, memory: memory))
    } catch {
      // The value must not go from under a disk that still reads it.
      try? controller.close()
      throw error
    }
    return lease.length
  }
}
