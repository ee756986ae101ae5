/// A command as the controller fetches it: 64 bytes (NVMe 2.1, 4.1.1).
struct NVMeCommand: Sendable, Equatable {
  /// The number of bytes of a command in a queue.
  static let byteCount = 64

  /// What the commands do that this driver gives; admin commands and those of the NVM command set are numbered apart.
  enum Opcode {
    static let createSubmissionQueue: UInt8 = 0x01
    static let createCompletionQueue: UInt8 = 0x05
    static let identify: UInt8 = 0x06
    static let flush: UInt8 = 0x00
    static let write: UInt8 = 0x01
    static let read: UInt8 = 0x02
    static let compare: UInt8 = 0x05
  }

  var opcode: UInt8
  var namespace: UInt32 = 0
  /// The two physical region pages: where the data is.
  var prp: (UInt64, UInt64) = (0, 0)
  /// Command words 10, 11 and 12, whose meaning is the opcode's.
  var words: (UInt32, UInt32, UInt32) = (0, 0, 0)

  /// The eight 64-bit words, with the identifier by which the answer names the command.
  func encoded(identifier: UInt16) -> [UInt64] {
    [
      UInt64(opcode) | UInt64(identifier) << 16 | UInt64(namespace) << 32,
      0, 0, prp.0, prp.1,
      UInt64(words.0) | UInt64(words.1) << 32,
      UInt64(words.2),
      0,
    ]
  }

  static func == (first: NVMeCommand, second: NVMeCommand) -> Bool {
    first.encoded(identifier: 0) == second.encoded(identifier: 0)
  }
}

extension NVMeCommand {
  /// Has the controller describe itself (`structure` 1) or a namespace (`structure` 0), in one page.
  static func identify(structure: UInt32, namespace: UInt32, page: UInt64) -> NVMeCommand {
    NVMeCommand(opcode: Opcode.identify, namespace: namespace, prp: (page, 0), words: (structure, 0, 0))
  }

  /// Makes a completion queue of contiguous memory that raises no interrupts.
  static func createCompletionQueue(_ identifier: UInt16, entries: Int, at address: UInt64) -> NVMeCommand {
    let size = UInt32(identifier) | UInt32(entries - 1) << 16
    return NVMeCommand(opcode: Opcode.createCompletionQueue, prp: (address, 0), words: (size, 1, 0))
  }

  /// Makes a submission queue of contiguous memory, answered in the completion queue of the same number.
  static func createSubmissionQueue(_ identifier: UInt16, entries: Int, at address: UInt64) -> NVMeCommand {
    let size = UInt32(identifier) | UInt32(entries - 1) << 16
    return NVMeCommand(
      opcode: Opcode.createSubmissionQueue, prp: (address, 0), words: (size, UInt32(identifier) << 16 | 1, 0))
  }

  /// Reads, writes or compares `blocks` blocks, 1 to 65,536.
  static func transfer(
    _ opcode: UInt8, namespace: UInt32, firstBlock: UInt64, blocks: Int, prp: (UInt64, UInt64)
  ) -> NVMeCommand {
    NVMeCommand(
      opcode: opcode, namespace: namespace, prp: prp,
      words: (
        UInt32(truncatingIfNeeded: firstBlock), UInt32(truncatingIfNeeded: firstBlock >> 32), UInt32(blocks - 1)
      ))
  }
}
