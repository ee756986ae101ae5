import ArgumentParser
import BarKV

/// `kvcli devices`: lists PCI functions whose BARs can hold a store.
struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List PCI devices whose memory can hold a store.",
    discussion: """
      For each BAR: whether it can hold a store (“ready”, “not yet”, “no”), why, what to do, and the address that names \
      it. Changes nothing: no driver is unbound, no device enabled. Only “persistent” is a promise that a standard \
      makes; whether the memory behind any other BAR outlives a power cut, or is memory at all, its maker has to say.
      """
  )

  /// Whether to list what can hold no store, too.
  @Flag(help: "List all functions and all BARs, those that can hold no store among them.")
  var all = false

  /// Where sysfs is mounted.
  @Option(
    help: ArgumentHelp("Where sysfs is mounted, or a copy of it for tests.", valueName: "path"),
    completion: .directory,
    transform: RawArguments.ordinaryPath)
  var sysfs = "/sys"

  @OptionGroup var report: ReportOptions

  func run() throws {
    let found = try PCIFunction.discover(sysfs: sysfs)
    let listing = DeviceListing(functions: found, showsAll: all)
    try Console.report(asJSON: report.json) {
      listing.json
    } text: {
      listing.text
    }
  }
}
