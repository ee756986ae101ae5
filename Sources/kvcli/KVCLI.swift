import ArgumentParser
import BarKV

/// The command line tool: one subcommand a file.
@main
struct KVCLI: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kvcli",
    abstract: "Work with BarKV stores: persistent key-value stores in a file or a device's memory.",
    discussion: """
      A store is named by its address: PATH or file:PATH for a file, dax:PATH on DAX, pci:DDDD:BB:DD.F/BAR for the \
      memory behind a PCIe BAR, pmr:DDDD:BB:DD.F for an NVMe Persistent Memory Region. Create one first; nothing else \
      ever formats a region.

        kvcli create cache.kv --size 256MiB
        kvcli put cache.kv greeting hello
        kvcli get cache.kv greeting

      Keys and values are bytes. Arguments are taken byte for byte; --hex and --base64 read and show bytes that are \
      awkward to type. Results go to standard output, messages to standard error; commands that report take --json.

      Exit status: 0 done; 1 the key is absent; 2 verify or repair found damage; 64 wrong usage; 65 the store or the input is \
      corrupt; 66 no such store or input file; 73 the store is full, or a file cannot be created; 74 device or I/O \
      error; 75 the store is in use by another owner.
      """,
    version: "0.1.0",
    subcommands: [
      CreateCommand.self, PutCommand.self, GetCommand.self, DeleteCommand.self, ExistsCommand.self, LoadCommand.self,
      DumpCommand.self, InfoCommand.self, VerifyCommand.self, RepairCommand.self, CompactCommand.self,
      BackupCommand.self, BenchCommand.self, DevicesCommand.self, ProbeCommand.self, PeerCommand.self,
    ]
  )

  func run() throws {
    throw ValidationError("A command is missing.")
  }

  /// Runs the command that the process's arguments name, and ends the process with its status.
  static func main() {
    Platform.reserveStandardStreams()
    Platform.ignoreBrokenPipes()
    Platform.exit(status(of: RawArguments.current))
  }

  /// Runs the command that `arguments` name, and answers the process's exit status.
  private static func status(of arguments: [String]) -> Int32 {
    do {
      return try run(arguments)
    } catch is BrokenPipe {
      Platform.endByBrokenPipe()
    } catch let failure as Failure {
      Console.message(failure.message)
      return failure.status.rawValue
    } catch let error as StoreError {
      Console.message(error.description)
      return error.exitStatus.rawValue
    } catch {
      // Nothing else is thrown; if it were, it would be an error of the program's own.
      Console.message("\(error)")
      return ExitStatus.inputOutput.rawValue
    }
  }

  /// Runs the command that `arguments` name, or shows what the argument parser has to say.
  private static func run(_ arguments: [String]) throws -> Int32 {
    var command: any ParsableCommand
    do {
      command = try parseAsRoot(arguments)
    } catch {
      return try report(error)
    }
    do {
      try command.run()
    } catch let status as ExitCode {
      return status.rawValue
    } catch let error where error is Failure || error is StoreError || error is BrokenPipe {
      throw error
    } catch {
      // Help and its like are commands too.
      return try report(error)
    }
    return ExitStatus.done.rawValue
  }

  /// Shows what the argument parser has to say: the help that was asked for, or what is wrong with the arguments.
  private static func report(_ error: any Error) throws -> Int32 {
    let status = exitCode(for: error)
    // The parser's status for an error that it does not know means something else here.
    guard status != .failure else { throw error }
    let text = fullMessage(for: error)
    if status.isSuccess {
      try Console.report(asJSON: false, json: { .null }, text: { text + "\n" })
    } else {
      // The parser starts with a word of its own; every message of this tool starts with the tool's name.
      let label = "Error: "
      let message = text.hasPrefix(label) ? String(text.dropFirst(label.count)) : text
      Console.write(RawArguments.bytes(of: "kvcli: \(message)\n"))
    }
    return status.rawValue
  }
}
