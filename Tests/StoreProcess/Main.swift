import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A process that uses a store, for the tests that need another one: to be killed in the middle, to hold a store, to fork,
/// to run under an environment of its own.
///
/// | arguments | does |
/// |---|---|
/// | `write STORE SEED` | writes from four threads until it is killed; see ``KillWriter`` |
/// | `hold PATH readWrite`, `hold PATH readOnly` | opens the store, says so, closes it at the end of standard input |
/// | `fork PATH` | forks while it has the store open; see ``ForkCheck`` |
/// | `bus PATH SCENARIO` | meets SIGBUS with and without handlers of its own; see ``BusCheck`` |
/// | `judge SEED BEFORE MESSAGES AFTER` | says whether what a writer left may be so; see ``KillVerdict`` |
/// | `barriers PATH` | creates a store and prints what each kind of write costs; see ``BarrierCount`` |
@main
struct Main {
  /// Something that the process was asked for and cannot do.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  static func main() {
    do {
      try run(Array(CommandLine.arguments.dropFirst()))
    } catch {
      say("error: \(error)")
      exit(1)
    }
  }

  private static func run(_ arguments: [String]) throws {
    guard arguments.count >= 2 else { throw Failure(description: "which command, and which store?") }
    if arguments[0] == "judge" { return try judge(Array(arguments.dropFirst())) }
    let address = try StoreAddress(arguments[1])
    switch (arguments[0], arguments.dropFirst(2).first) {
    case ("write", let seed?):
      guard let seed = UInt64(seed) else { throw Failure(description: "\(seed) is no seed") }
      try KillWriter(address, seed: seed).run()
    case ("hold", "readWrite"): try hold(address, access: .readWrite)
    case ("hold", "readOnly"): try hold(address, access: .readOnly)
    case ("fork", nil): try ForkCheck(address).run()
    case ("bus", let scenario?): try BusCheck(address).run(scenario)
    case ("barriers", nil): try BarrierCount(address).run()
    default: throw Failure(description: "no such command: \(arguments)")
    }
  }

  private static func judge(_ arguments: [String]) throws {
    guard arguments.count == 4, let seed = UInt64(arguments[0]) else {
      throw Failure(description: "judge takes a seed and three files")
    }
    try KillVerdict(seed: seed, before: arguments[1], messages: arguments[2], after: arguments[3]).run()
  }

  /// Keeps the store open until standard input ends.
  private static func hold(_ address: StoreAddress, access: Access) throws {
    do throws(StoreError) {
      let store = try Store.open(at: address, access: access)
      say("open")
      while readLine() != nil {}
      try store.close()
      say("closed")
    } catch {
      guard case .busy(_, let owner) = error else { throw error }
      say("busy: \(owner.map(String.init) ?? "nobody")")
    }
  }

  /// Writes a line to standard output, past all buffers.
  static func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    unsafe _ = write(1, bytes, bytes.count)
  }
}
