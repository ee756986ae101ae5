import ArgumentParser
import BarKV
import PeerDevices

/// Moves values between stores and devices by the devices themselves: an example of ``Store/reserve(_:for:alignment:)`` and
/// ``Store/lease(_:)``, and a tool.
@main
struct BarKVIngest: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "barkv-ingest",
    abstract: "Move data between a disk and a store in a device's memory, with no copy in system memory.",
    discussion: """
      A disk is an NVMe controller, which this program drives itself: it tells the controller the bus address of the \
      value's place in the store, and the controller moves the bytes over the bus. The controller's queues are in the \
      memory behind another BAR (--queues), so that no system memory needs a bus address either.

        barkv-ingest read pmr:0000:01:00.0 --disk 0000:03:00.0 --queues 0000:00:11.0/2 picture:2048:256
        barkv-ingest write pmr:0000:01:00.0 --disk 0000:03:00.0 --queues 0000:00:11.0/2 picture:8192

      Run it as root, on a machine whose IOMMU does not translate what devices ask for. The disk must not be in use: with \
      --unbind its kernel driver is unbound, and with it goes every partition of it.

      Exit status: 0 done; 64 wrong usage; 65 the store is corrupt, or the disk differs from what was read from it; 66 no \
      such store, key or device; 73 the store is full; 74 device or I/O error; 75 the store or a device is in use.
      """,
    version: "0.1.0",
    subcommands: [ReadCommand.self, WriteCommand.self, CopyCommand.self])

  static func main() {
    // A reader of the output that goes is an error like others: the places on their way are to be given up.
    Platform.ignoreBrokenPipes()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let failure = Failure(error)
      guard let failure else { exit(withError: error) }
      Console.message(failure.message)
      exit(withError: ExitCode(failure.status))
    }
  }
}
