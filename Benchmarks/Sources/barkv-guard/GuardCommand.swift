import ArgumentParser
import Foundation

/// Whether a put and a get still cost what they may: instructions and allocations, counted, against limits in a file.
@main
struct GuardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "barkv-guard",
    abstract: "Counts the instructions and allocations of puts and gets, and compares them with limits.",
    discussion: """
      Ends with status 1 where a call costs more than its limit and the tolerance. Counts do not depend on how busy the \
      machine is; they do on the compiler and on what the processor has, within the tolerance. Where a process may not \
      trace its child, instructions are not counted, which is said, and allocations are.
      """
  )

  @Option(help: "The file with the limits.")
  var limits: String

  @Option(help: "How much more than its limit a call may cost, in per cent.")
  var tolerance = 15.0

  @Option(help: "A directory on tmpfs for the store.")
  var directory = "/dev/shm"

  @Flag(help: "Write what is counted now into the file.")
  var update = false

  mutating func run() throws {
    unsafe setenv("PMEM_IS_PMEM_FORCE", "1", 1)
    let costs = try Costs.count(directory: directory) { reason in
      FileHandle.standardError.write(Data("instructions are not counted: \(reason)\n".utf8))
    }
    if update, costs.values.contains(where: { $0.instructions == nil }) { throw ExitCode(1) }
    let file = URL(fileURLWithPath: limits)
    if update {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      let named = Dictionary(uniqueKeysWithValues: costs.map { ($0.key.rawValue, $0.value.rounded) })
      try (encoder.encode(named) + Data("\n".utf8)).write(to: file)
    }
    let allowed = try JSONDecoder().decode([String: Cost].self, from: Data(contentsOf: file))
    var exceeded = false
    print("\(Self.padded("an entry", 34))instructions     limit   allocations a call     limit")
    for call in GuardedCall.allCases {
      guard let cost = costs[call] else { continue }
      guard let limit = allowed[call.rawValue] else {
        print("\(Self.padded(call.title, 34))has no limit")
        exceeded = true
        continue
      }
      let (found, most) = (cost.instructions ?? 0, limit.instructions ?? 0)
      // Of many new keys a few make a table grow, now more and now fewer; where none is allowed, none is.
      let isOver = found > most * (1 + tolerance / 100) || cost.allocations > 2 * limit.allocations
      exceeded = exceeded || isOver
      print(
        Self.padded(call.title, 34)
          + String(
            format: "%12.1f%10.1f%21.1f%10.1f%@", found, most, cost.allocations,
            limit.allocations, isOver ? "  EXCEEDED" : ""))
    }
    if exceeded {
      print("A call costs more than its limit. Where it has to, `make guard-update` writes the new counts down.")
      throw ExitCode(1)
    }
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}

extension Cost {
  /// With one digit behind the point.
  fileprivate var rounded: Cost {
    Cost(instructions: instructions.map { ($0 * 10).rounded() / 10 }, allocations: allocations)
  }
}
