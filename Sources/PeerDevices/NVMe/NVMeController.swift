import BarKV

/// An NVMe controller that this process drives, without the kernel: one admin and one I/O queue pair, whose memory is
/// behind another device's BAR, answers polled for.
///
/// Data is wherever a bus address leads, another device's BAR among them: then it goes from device to device, and no
/// processor moves it.
///
/// ```swift
/// let queues = try DeviceMemory(function: other, bar: 2)
/// let controller = try NVMeController.open(disk, queues: queues, unbindingDriver: true)
/// let namespace = try controller.namespace(1)
/// let token = try controller.begin(.read, namespace, firstBlock: 0, memory: extent)
/// try controller.wait(for: token)
/// ```
///
/// One thread uses it. It is reset as it is opened, so what an earlier process had it do is over then.
public final class NVMeController {
  /// What Identify says of the controller.
  public struct Identity: Sendable, Equatable {
    /// The maker's name for it.
    public internal(set) var model: String
    /// Its serial number.
    public internal(set) var serial: String
    /// The most bytes of one command.
    public internal(set) var chunkBytes: Int
    /// Whether it can compare memory with blocks: ``NVMeOperation/compare``.
    public internal(set) var canCompare: Bool
  }

  /// What it says of itself.
  public let identity: Identity
  /// Where its queues are, with the count of what the processor moved there.
  public let memory: DeviceMemory
  /// The commands for data that were given so far.
  public internal(set) var commandCount = 0
  /// How long a command may take.
  public var commandMilliseconds = 10_000

  private let registers: NVMeRegisters
  private let capabilities: NVMeRegisters.Capabilities
  private let admin: NVMeQueuePair
  let queue: NVMeQueuePair
  /// A page that the controller describes itself in.
  private let page: DeviceMemory.Piece
  /// A page for each command in flight, for the list of its data's pages.
  let lists: DeviceMemory.Piece

  /// Which transfer each command in flight belongs to, by the command's identifier.
  var slots: [UInt64?]
  var transfers: [UInt64: NVMeTransfer] = [:]
  /// Those that have commands to give, oldest first.
  var waiting: [UInt64] = []
  var nextTransfer: UInt64 = 0

  /// What pieces of memory begin at multiples of, all but the first: a page.
  public static let memoryAlignment = NVMePages.pageBytes
  /// Entries of the queues: few, since the commands are large.
  private static let adminEntries = 8, ioEntries = 32
  /// The most bytes of a command whatever the controller takes: what one list of pages is enough for.
  private static let largestChunk = 1 << 20
  /// CC: enabled, pages of 4 KiB, NVM commands, entries of 64 and of 16 bytes.
  private static let enabled: UInt32 = 0x46_0001
  /// CC.SHN: a normal shutdown.
  private static let shutdown: UInt32 = 0x4000

  /// Takes the controller at `address`, resets it, and makes its queues.
  ///
  /// - Throws: ``PeerError``.
  public static func open(
    _ address: PCIAddress, queues memory: DeviceMemory, unbindingDriver: Bool, sysfs: String = "/sys"
  ) throws(PeerError) -> NVMeController {
    let function = try PeerFunction.take(address, unbindingDriver: unbindingDriver, sysfs: sysfs)
    guard function.function.identity?.isNVMeController == true else {
      throw .unusable("\(address)", reason: "it is no NVMe controller", remedy: nil)
    }
    return try NVMeController(BarWindow(try function.bar(0), of: address), memory)
  }

  private init(_ window: BarWindow, _ memory: DeviceMemory) throws(PeerError) {
    self.memory = memory
    registers = try NVMeRegisters(window)
    capabilities = registers.capabilities
    let stride = capabilities.doorbellStride
    let entries = min(Self.ioEntries, capabilities.queueEntries)
    guard capabilities.word != .max else { throw .gone(window.name) }
    guard capabilities.smallestPageBytes <= NVMePages.pageBytes, capabilities.hasNVMCommands, entries > 1,
      registers.hasDoorbells(1, stride: stride)
    else {
      throw .unusable(window.name, reason: "it has larger pages, or no NVM commands", remedy: nil)
    }
    try Self.stop(registers, capabilities)
    admin = try NVMeQueuePair(0, entries: Self.adminEntries, registers: registers, stride: stride, memory: memory)
    queue = try NVMeQueuePair(1, entries: entries, registers: registers, stride: stride, memory: memory)
    page = try memory.allocate(NVMePages.pageBytes)
    // A full queue has one entry that is free.
    slots = Array(repeating: nil, count: entries - 1)
    lists = try memory.allocate(NVMePages.pageBytes * (entries - 1))
    identity = try Self.bringUp(registers, capabilities, admin, queue, page)
  }

  deinit {
    // Nothing that was begun may go on once nobody waits for it.
    try? Self.stop(registers, capabilities)
  }

  /// The namespace with the number `number`.
  ///
  /// - Throws: ``PeerError``.
  public func namespace(_ number: UInt32) throws(PeerError) -> NVMeNamespace {
    try Self.run(.identify(structure: 0, namespace: number, page: page.busAddress), on: admin, "Identify Namespace")
    return try NVMeNamespace(number: number) { page.load32($0) }
  }

  /// Has the disk make what was written durable.
  ///
  /// - Throws: ``PeerError``.
  public func flush(_ namespace: NVMeNamespace) throws(PeerError) {
    guard transfers.isEmpty else { throw .invalidRequest("transfers are going on") }
    try Self.run(
      NVMeCommand(opcode: NVMeCommand.Opcode.flush, namespace: namespace.number), on: queue, "Flush",
      milliseconds: commandMilliseconds)
  }

  /// Ends all that the controller is doing: once this returns, it neither reads nor writes anybody's memory. It can be used
  /// no more.
  ///
  /// - Throws: ``PeerError``.
  public func close() throws(PeerError) {
    registers.setConfiguration(registers.configuration | Self.shutdown)
    try Self.stop(registers, capabilities)
  }

  // MARK: Steps

  /// Enables the controller and makes its I/O queues; where that fails it is stopped again.
  private static func bringUp(
    _ registers: NVMeRegisters, _ capabilities: NVMeRegisters.Capabilities, _ admin: NVMeQueuePair,
    _ queue: NVMeQueuePair, _ page: DeviceMemory.Piece
  ) throws(PeerError) -> Identity {
    do throws(PeerError) {
      try start(registers, capabilities, admin)
      try run(.identify(structure: 1, namespace: 0, page: page.busAddress), on: admin, "Identify")
      let identity = identity(page, largest: largestChunk)
      try run(
        .createCompletionQueue(1, entries: queue.entries, at: queue.completionAddress), on: admin, "Create I/O CQ")
      try run(
        .createSubmissionQueue(1, entries: queue.entries, at: queue.submissionAddress), on: admin, "Create I/O SQ")
      return identity
    } catch {
      try? stop(registers, capabilities)
      throw error
    }
  }

  /// Resets the controller.
  private static func stop(
    _ registers: NVMeRegisters, _ capabilities: NVMeRegisters.Capabilities
  ) throws(PeerError) {
    _ = try registers.status()
    registers.setConfiguration(registers.configuration & ~1)
    try waitUntilReady(false, registers, capabilities)
  }

  private static func start(
    _ registers: NVMeRegisters, _ capabilities: NVMeRegisters.Capabilities, _ admin: NVMeQueuePair
  ) throws(PeerError) {
    registers.maskInterrupts()
    registers.setAdminQueues(
      submission: admin.submissionAddress, completion: admin.completionAddress, entries: admin.entries)
    registers.setConfiguration(enabled)
    try waitUntilReady(true, registers, capabilities)
  }

  private static func waitUntilReady(
    _ ready: Bool, _ registers: NVMeRegisters, _ capabilities: NVMeRegisters.Capabilities
  ) throws(PeerError) {
    var deadline = Deadline(milliseconds: capabilities.timeoutMilliseconds + 500)
    while true {
      let status = try registers.status()
      if status & 1 == (ready ? 1 : 0) { return }
      guard status & 2 == 0 || !ready else { throw .controllerFailed("\(registers.name) reports a fatal status") }
      guard deadline.goesOn() else {
        throw .timedOut(ready ? "enabling the controller" : "resetting it", milliseconds: deadline.milliseconds)
      }
    }
  }

  /// Gives one command while no other is in flight, and waits for its answer.
  private static func run(
    _ command: NVMeCommand, on queue: NVMeQueuePair, _ name: String, milliseconds: Int = 5000
  ) throws(PeerError) {
    queue.submit(command, identifier: 0)
    var deadline = Deadline(milliseconds: milliseconds)
    while true {
      if let answer = queue.next() {
        guard answer.isSuccess else {
          throw .commandFailed(command: name, type: answer.type, code: answer.code)
        }
        return
      }
      guard deadline.goesOn() else { throw .timedOut(name, milliseconds: milliseconds) }
    }
  }

  /// What the page says of the controller (NVMe 2.1, 5.1.13.2.1).
  private static func identity(_ page: DeviceMemory.Piece, largest: Int) -> Identity {
    func text(_ range: Range<Int>) -> String {
      let bytes = stride(from: range.lowerBound, to: range.upperBound, by: 4).flatMap { at in
        let word = page.load32(at)
        return (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
      }
      let end = bytes.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? 0
      return String(decoding: bytes[..<end], as: UTF8.self)
    }
    // MDTS, byte 77: a power of two of pages; 0 is no limit.
    let power = Int(page.load32(76) >> 8 & 0xFF)
    let limit = power == 0 || power > 8 ? largest : min(largest, NVMePages.pageBytes << power)
    // ONCS, bytes 520 and 521: bit 0 is Compare.
    return Identity(
      model: text(24..<64), serial: text(4..<24), chunkBytes: limit, canCompare: page.load32(520) & 1 != 0)
  }
}
