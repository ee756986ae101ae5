import Foundation
import Synchronization

/// A device that looks to the driver like an NVMe controller with a disk: a thread that does what the registers and queues
/// in the files of a fake bus tell it to, and moves data between its disk and memory behind other BARs.
final class FakeController: Sendable {
  /// What it does wrong.
  struct Misbehaviour: Sendable {
    /// It never says that it is ready.
    var neverReady = false
    /// It answers no I/O command, and does none.
    var isSilent = false
    /// It ends I/O commands with this status code of type 0.
    var ioStatus: UInt8 = 0
    /// It changes a byte of what it reads from its disk, as it writes it to memory.
    var damagesReads = false
    /// It answers with identifiers that it was not given.
    var wrongIdentifiers = false
    /// It answers what it has fetched from the last to the first.
    var answersBackwards = false
    /// Its namespace's blocks have metadata.
    var hasMetadata = false
  }

  /// Memory that it reaches over the bus.
  struct Memory: Sendable {
    let start: UInt64
    let file: DeviceFile
    let length: Int
  }

  static let blockBytes = 512
  /// MDTS of 3: 32 KiB.
  static let chunkPower: UInt8 = 3

  private struct State {
    var disk: [UInt8]
    var isEnabled = false
    var heads = [0, 0]
    var tails = [0, 0]
    var phases = [true, true]
    var ioQueues: [UInt64] = [0, 0]
    var ioEntries = 0
    var commands = 0
    var problem: String?
  }

  private let registers: DeviceFile
  private let memory: [Memory]
  private let misbehaviour: Misbehaviour
  private let state: Mutex<State>
  private let isStopped = Atomic(false)
  private let hasEnded = DispatchSemaphore(value: 0)

  init(registers: DeviceFile, memory: [Memory], disk: [UInt8], misbehaviour: Misbehaviour) throws {
    self.registers = registers
    self.memory = memory
    self.misbehaviour = misbehaviour
    state = Mutex(State(disk: disk))
    // 64 entries, half a second, NVM commands; pages of 4 KiB; doorbells four bytes apart.
    try registers.setWord(1 << 37 | 1 << 24 | 63, at: 0, bytes: 8)
    Thread.detachNewThread { [self] in
      while !isStopped.load(ordering: .relaxed) {
        do { try step() } catch {
          state.withLock { $0.problem = "\(error)" }
          break
        }
      }
      hasEnded.signal()
    }
  }

  /// Ends the thread.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    hasEnded.wait()
    hasEnded.signal()
  }

  var disk: [UInt8] { state.withLock { $0.disk } }
  var commandCount: Int { state.withLock { $0.commands } }
  /// What the driver did that no controller takes.
  var problem: String? { state.withLock { $0.problem } }

  private struct Problem: Error, CustomStringConvertible {
    let description: String
  }

  private func step() throws {
    let enabled = try registers.word(0x14) & 1 == 1
    let wasEnabled = state.withLock { $0.isEnabled }
    if enabled != wasEnabled {
      try state.withLock { state in
        state = State(disk: state.disk, isEnabled: enabled, commands: state.commands)
        // The doorbells of the life before.
        for queue in 0..<4 { try registers.setWord(0, at: 0x1000 + 4 * queue) }
      }
      if !misbehaviour.neverReady || !enabled { try registers.setWord(enabled ? 1 : 0, at: 0x1C) }
    }
    guard enabled else { return }
    for queue in 0..<2 { try serve(queue) }
  }

  private func serve(_ queue: Int) throws {
    let tail = Int(try registers.word(0x1000 + 8 * queue))
    try state.withLock { state in
      let entries = queue == 0 ? Int(try registers.word(0x24) & 0xFFF) + 1 : state.ioEntries
      guard entries > 0 else { return }
      var answers: [(identifier: UInt64, status: UInt64)] = []
      while state.heads[queue] != tail {
        guard tail < entries else { throw Problem(description: "a doorbell beyond the queue") }
        let base = queue == 0 ? try registers.word(0x28, bytes: 8) : state.ioQueues[0]
        let command = try load(base + UInt64(64 * state.heads[queue]), 64)
        state.heads[queue] = (state.heads[queue] + 1) % entries
        if queue == 1, misbehaviour.isSilent { continue }
        let status = try queue == 0 ? admin(command, &state) : transfer(command, &state)
        let identifier = word(command, 0) >> 16
        answers.append((misbehaviour.wrongIdentifiers && queue == 1 ? 999 : identifier, status))
      }
      if misbehaviour.answersBackwards { answers.reverse() }
      let base = queue == 0 ? try registers.word(0x30, bytes: 8) : state.ioQueues[1]
      for answer in answers {
        let place = base + UInt64(16 * state.tails[queue])
        // The word with the phase comes last.
        try store(bytes(UInt64(state.heads[queue]) | UInt64(queue) << 16, 4), at: place + 8)
        let phase: UInt64 = state.phases[queue] ? 1 << 16 : 0
        try store(bytes(answer.identifier | phase | answer.status << 17, 4), at: place + 12)
        state.tails[queue] = (state.tails[queue] + 1) % entries
        if state.tails[queue] == 0 { state.phases[queue].toggle() }
      }
    }
  }

  /// Does an admin command; its status code, with the type above it.
  private func admin(_ command: [UInt8], _ state: inout State) throws -> UInt64 {
    let page = word(command, 24, 8)
    switch command[0] {
    case 0x06 where word(command, 40) == 1:
      var data = [UInt8](repeating: 0, count: 4096)
      data.replaceSubrange(24..<64, with: Array("Fake".utf8) + [UInt8](repeating: 0x20, count: 36))
      data[77] = Self.chunkPower
      data[520] = 1
      try store(data, at: page)
    case 0x06:
      var data = [UInt8](repeating: 0, count: 4096)
      if word(command, 4) == 1 {
        data.replaceSubrange(0..<8, with: bytes(UInt64(state.disk.count / Self.blockBytes), 8))
        data[130] = 9
        data[128] = misbehaviour.hasMetadata ? 8 : 0
      }
      try store(data, at: page)
    case 0x05:
      state.ioQueues[1] = page
    case 0x01:
      state.ioQueues[0] = page
      state.ioEntries = Int(word(command, 40) >> 16) + 1
    default: return 1
    }
    return 0
  }

  private func transfer(_ command: [UInt8], _ state: inout State) throws -> UInt64 {
    state.commands += 1
    guard misbehaviour.ioStatus == 0 else { return UInt64(misbehaviour.ioStatus) }
    if command[0] == 0 { return 0 }
    let first = Int(word(command, 40, 8)) * Self.blockBytes
    let count = Int(word(command, 48) & 0xFFFF) * Self.blockBytes + Self.blockBytes
    guard first + count <= state.disk.count, count <= 4096 << Int(Self.chunkPower) else { return 0x80 }
    let places = try places(command, count: count)
    var at = first
    for (address, length) in places {
      let blocks = Array(state.disk[at..<at + length])
      switch command[0] {
      case 2: try store(misbehaviour.damagesReads ? [blocks[0] ^ 1] + blocks[1...] : blocks, at: address)
      case 1: state.disk.replaceSubrange(at..<at + length, with: try load(address, length))
      case 5: if try load(address, length) != blocks { return 2 << 8 | 0x85 }
      default: return 1
      }
      at += length
    }
    return 0
  }

  /// The ranges that a command's pages say.
  private func places(_ command: [UInt8], count: Int) throws -> [(UInt64, Int)] {
    let first = word(command, 24, 8)
    let second = word(command, 32, 8)
    var rest = count
    var result = [(first, min(rest, 4096 - Int(first % 4096)))]
    rest -= result[0].1
    if rest > 0, rest <= 4096 {
      result.append((second, rest))
    } else {
      for index in 0..<(rest + 4095) / 4096 {
        let entry = word(try load(second + UInt64(8 * index), 8), 0, 8)
        result.append((entry, min(4096, rest)))
        rest -= min(4096, rest)
      }
    }
    for (address, _) in result.dropFirst() where address % 4096 != 0 {
      throw Problem(description: "a page that does not begin at a page")
    }
    return result
  }

  // MARK: The bus

  private func place(_ address: UInt64, _ count: Int) throws -> (Memory, Int) {
    for each in memory where address >= each.start && address + UInt64(count) <= each.start + UInt64(each.length) {
      return (each, Int(address - each.start))
    }
    throw Problem(description: "no device has \(count) bytes at \(address)")
  }

  private func load(_ address: UInt64, _ count: Int) throws -> [UInt8] {
    let (memory, offset) = try place(address, count)
    return try memory.file.read(offset, count)
  }

  private func store(_ bytes: [UInt8], at address: UInt64) throws {
    let (memory, offset) = try place(address, bytes.count)
    try memory.file.write(bytes, at: offset)
  }

  private func word(_ bytes: [UInt8], _ offset: Int, _ count: Int = 4) -> UInt64 {
    bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}
