import ArgumentParser
import PeerDevices

/// One value and its blocks on a disk: `KEY:FIRST:BLOCKS`, or `KEY:FIRST` where the value says how many.
struct BlockTransfer: Sendable, Equatable {
  let key: [UInt8]
  let firstBlock: UInt64
  /// `nil` for as many as the value has.
  let blocks: Int?

  /// Reads the text form, `nil` where it is none. The key may have colons, the numbers stand behind the last ones.
  init?(_ text: String, withBlocks: Bool) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let numbers = withBlocks ? 2 : 1
    guard parts.count > numbers else { return nil }
    let key = parts.dropLast(numbers).joined(separator: ":")
    guard !key.isEmpty, let first = UInt64(parts[parts.count - numbers]) else { return nil }
    self.key = Array(key.utf8)
    firstBlock = first
    if withBlocks {
      guard let blocks = Int(parts[parts.count - 1]), blocks > 0 else { return nil }
      self.blocks = blocks
    } else {
      blocks = nil
    }
  }
}

extension BlockTransfer {
  /// How many bytes it has in blocks of a namespace.
  ///
  /// - Throws: ``Failure`` where it has no blocks, or more than fit a number.
  func byteCount(in namespace: NVMeNamespace) throws -> Int {
    let (bytes, overflow) = (blocks ?? 0).multipliedReportingOverflow(by: namespace.blockBytes)
    guard !overflow, bytes > 0 else {
      throw Failure(Failure.usage, "\(blocks ?? 0) blocks are none, or more than a value can have")
    }
    return bytes
  }
}

/// The transfers that a command is to make: its arguments, or the lines of standard input for “-”.
final class TransferList: Sequence, IteratorProtocol {
  private var arguments: ArraySlice<String>
  private let fromInput: Bool
  private let withBlocks: Bool
  /// The line that is no transfer, and ended the list.
  private var wrongLine: String?

  init(_ arguments: [String], withBlocks: Bool) {
    fromInput = arguments == ["-"]
    self.arguments = fromInput ? [] : arguments[...]
    self.withBlocks = withBlocks
  }

  func next() -> BlockTransfer? {
    guard wrongLine == nil, let line = fromInput ? readLine() : arguments.popFirst() else { return nil }
    let transfer = BlockTransfer(line, withBlocks: withBlocks)
    if transfer == nil { wrongLine = line }
    return transfer
  }

  /// - Throws: ``Failure`` where the list ended at what is no transfer.
  func checkEnd() throws {
    guard let wrongLine else { return }
    throw Failure(Failure.usage, "“\(wrongLine)” is no transfer; what stood before it is done")
  }

  /// - Throws: a usage error where the arguments are no transfers.
  static func validate(_ arguments: [String], withBlocks: Bool) throws {
    guard arguments != ["-"] else { return }
    for argument in arguments where BlockTransfer(argument, withBlocks: withBlocks) == nil {
      throw ValidationError(
        "“\(argument)” is not \(withBlocks ? "KEY:FIRST:BLOCKS" : "KEY:FIRST"), with numbers at its end")
    }
  }
}
