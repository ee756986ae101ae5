/// What a transfer does, seen from the disk.
public enum NVMeOperation: String, Sendable, Hashable {
  /// Disk to memory.
  case read
  /// Memory to disk.
  case write
  /// The controller reads the memory and compares it with the disk. Behind a ``read`` to the same memory its reads push
  /// that one's writes to their place first: a read-back by the peer itself.
  case compare

  var opcode: UInt8 {
    switch self {
    case .read: NVMeCommand.Opcode.read
    case .write: NVMeCommand.Opcode.write
    case .compare: NVMeCommand.Opcode.compare
    }
  }
}

/// A transfer that was begun, and is to be waited for.
public struct NVMeTransferToken: Sendable, Hashable {
  let number: UInt64
}

/// A transfer as it goes on: its commands, one a chunk.
struct NVMeTransfer {
  let operation: NVMeOperation
  let namespace: NVMeNamespace
  let firstBlock: UInt64
  let memory: [BusRange]
  let byteCount: Int
  /// How many bytes were handed to the controller.
  var submittedBytes = 0
  /// How many commands it has not answered yet.
  var inFlight = 0
  /// The first error; no more commands are given after it.
  var error: PeerError?

  /// Whether nothing more will happen to the memory.
  var isOver: Bool { inFlight == 0 && (error != nil || submittedBytes == byteCount) }
  var hasMore: Bool { error == nil && submittedBytes < byteCount }

  /// - Throws: ``PeerError/invalidRequest(_:)``.
  init(
    _ operation: NVMeOperation, namespace: NVMeNamespace, firstBlock: UInt64, memory: [BusRange]
  ) throws(PeerError) {
    guard let bytes = memory.byteCount, bytes > 0, bytes % namespace.blockBytes == 0 else {
      throw .invalidRequest("the memory is not some whole blocks of \(namespace.blockBytes) bytes")
    }
    let blocks = UInt64(bytes / namespace.blockBytes)
    guard firstBlock < namespace.blockCount, blocks <= namespace.blockCount - firstBlock else {
      throw .invalidRequest(
        "blocks \(firstBlock) to \(firstBlock.addingReportingOverflow(blocks).partialValue) are beyond the namespace's "
          + "\(namespace.blockCount)")
    }
    self.operation = operation
    self.namespace = namespace
    self.firstBlock = firstBlock
    self.memory = memory
    byteCount = bytes
    // All of it is looked at before any of it is done.
    for (number, range) in memory.enumerated() {
      guard number == 0 || range.start % UInt64(NVMePages.pageBytes) == 0,
        number == memory.count - 1 || (range.start + UInt64(range.length)) % UInt64(NVMePages.pageBytes) == 0,
        range.start % 4 == 0
      else {
        throw .invalidRequest("the memory at \(hex(range.start)) is not cut at pages, as NVMe has it")
      }
    }
  }

  /// The next command's block, and its pages, of at most `limit` bytes; the caller has seen that there are more.
  mutating func nextChunk(limit: Int) throws(PeerError) -> (block: UInt64, blocks: Int, pages: NVMePages) {
    let place = submittedBytes
    // A chunk may begin inside a page, as its first entry may.
    let length = min(limit, byteCount - place)
    let pages = try NVMePages(memory.part(from: place, atMost: length))
    submittedBytes += length
    return (firstBlock + UInt64(place / namespace.blockBytes), length / namespace.blockBytes, pages)
  }
}
