import ArgumentParser
import BarKV
import PeerDevices

/// `barkv-ingest read`: a disk's blocks become values.
struct ReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read",
    abstract: "Read a disk's blocks into a store: each range of them becomes a value.",
    discussion: """
      For each KEY:FIRST:BLOCKS room is reserved in the store, the disk writes the blocks there, and the value is \
      committed. Before that the disk compares what is there with its blocks: it reads the place over the same bus, which \
      pushes its own writes there first. A value is durable and visible once it is acknowledged, and not at all if \
      anything fails before.

        barkv-ingest read pmr:0000:01:00.0 --disk 0000:03:00.0 --queues 0000:00:11.0/2 a:0:2048 b:2048:8

      A run that is killed leaves its places in quarantine, as the disk may still write there. The next run resets the \
      disk first, and with --release it sets free what the store then holds in quarantine: give it only if no other \
      device wrote to the store.
      """)

  @OptionGroup var target: StoreArgument
  @OptionGroup var device: DiskOptions

  @Argument(help: ArgumentHelp("KEY:FIRST:BLOCKS; a single “-” reads them from standard input, a line each."))
  var transfers: [String] = []

  @Option(
    help: ArgumentHelp(
      "How many values are on their way at a time; so many lines of standard input may wait for the next one.",
      valueName: "count"))
  var depth = 4

  @Flag(help: "After each value, write how many are durable.")
  var acknowledge = false

  @Flag(help: "Set free what earlier runs left in quarantine.")
  var release = false

  @Flag(help: "Copy each value through memory, to see what that costs.")
  var throughMemory = false

  @Flag(help: "Report as JSON, on one line.")
  var json = false

  func validate() throws {
    guard (1...64).contains(depth) else { throw ValidationError("--depth takes a number from 1 to 64.") }
    guard !transfers.isEmpty || release else { throw ValidationError("What to read is missing: KEY:FIRST:BLOCKS.") }
    guard !(acknowledge && json) else {
      throw ValidationError("--acknowledge and --json both write to standard output: give one of them.")
    }
    try TransferList.validate(transfers, withBlocks: true)
  }

  func run() throws {
    var report = IngestReport(title: "read")
    try report.measure(device, sysfs: target.sysfs) { report, controller, namespace in
      try target.withStore(.readWrite) { store in
        if release { report.released = try Quarantine.release(of: store) }
        let list = TransferList(transfers, withBlocks: true)
        let committed = { (length: Int) throws in
          report.transfers += 1
          report.payloadBytes += length
          if acknowledge { try Console.write("\(report.transfers)\n") }
        }
        if throughMemory {
          report.copiedBytes = try StagedReader(store, controller, namespace).run(list, committed: committed)
        } else {
          var reader = try DirectReader(store, controller, namespace, depth: depth)
          try reader.run(list, committed: committed)
        }
        try list.checkEnd()
      }
    }
    if !acknowledge { try Console.write(json ? report.json : report.text) }
  }
}

/// Places that earlier owners of a store left reserved.
enum Quarantine {
  /// Sets them free; the caller knows that no device writes there any more.
  ///
  /// - Returns: how many there were.
  static func release(of store: Store) throws -> Int {
    let left = store.reservations.filter { $0.state == .quarantined }
    for info in left { try store.abandon(info.reservation.token) }
    return left.count
  }
}
