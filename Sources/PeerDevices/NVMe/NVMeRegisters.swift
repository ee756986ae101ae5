/// A controller's registers (NVMe 2.1, 3.1.4) in BAR 0.
@safe
struct NVMeRegisters {
  private let window: BarWindow

  private enum Offset {
    static let capabilities = 0x00
    static let interruptMaskSet = 0x0C
    static let configuration = 0x14
    static let status = 0x1C
    static let adminQueueAttributes = 0x24
    static let adminSubmissionQueue = 0x28
    static let adminCompletionQueue = 0x30
    static let doorbells = 0x1000
  }

  /// What CAP says.
  struct Capabilities: Sendable, Equatable {
    let word: UInt64

    /// The most entries of a queue.
    var queueEntries: Int { Int(word & 0xFFFF) + 1 }
    /// How long the controller may take to become ready, or to stop.
    var timeoutMilliseconds: Int { Int(word >> 24 & 0xFF) * 500 }
    /// The bytes from one doorbell to the next.
    var doorbellStride: Int { 4 << Int(word >> 32 & 0xF) }
    /// The smallest page of memory that the controller takes.
    var smallestPageBytes: Int { 1 << (12 + Int(word >> 48 & 0xF)) }
    /// Whether it has the NVM command set.
    var hasNVMCommands: Bool { word >> 37 & 1 != 0 }
  }

  /// - Throws: ``PeerError/unusable(_:reason:remedy:)`` where the BAR is too small for the registers.
  init(_ window: BarWindow) throws(PeerError) {
    guard window.length >= 2 * DeviceMemory.pageBytes else {
      throw .unusable(window.name, reason: "it is too small for a controller's registers", remedy: nil)
    }
    self.window = window
  }

  var name: String { window.name }

  var capabilities: Capabilities {
    Capabilities(
      word: UInt64(window.load32(Offset.capabilities)) | UInt64(window.load32(Offset.capabilities + 4)) << 32)
  }

  /// CSTS, or an error where the controller does not answer.
  func status() throws(PeerError) -> UInt32 {
    let status = window.load32(Offset.status)
    guard status != .max else { throw .gone(window.name) }
    return status
  }

  var configuration: UInt32 { window.load32(Offset.configuration) }

  func setConfiguration(_ value: UInt32) { window.store32(value, at: Offset.configuration) }

  func maskInterrupts() { window.store32(.max, at: Offset.interruptMaskSet) }

  func setAdminQueues(submission: UInt64, completion: UInt64, entries: Int) {
    let last = UInt32(entries - 1)
    window.store32(last << 16 | last, at: Offset.adminQueueAttributes)
    store(submission, at: Offset.adminSubmissionQueue)
    store(completion, at: Offset.adminCompletionQueue)
  }

  /// A 64-bit register, by its halves: controllers need not take it in one.
  private func store(_ value: UInt64, at offset: Int) {
    window.store32(UInt32(truncatingIfNeeded: value), at: offset)
    window.store32(UInt32(truncatingIfNeeded: value >> 32), at: offset + 4)
  }

  /// Whether queue `number` has its doorbells in the BAR.
  func hasDoorbells(_ number: Int, stride: Int) -> Bool {
    Offset.doorbells + (2 * number + 2) * stride <= window.length
  }

  func ringSubmission(_ number: Int, tail: Int, stride: Int) {
    window.store32(UInt32(tail), at: Offset.doorbells + 2 * number * stride)
  }

  func ringCompletion(_ number: Int, head: Int, stride: Int) {
    window.store32(UInt32(head), at: Offset.doorbells + (2 * number + 1) * stride)
  }
}
