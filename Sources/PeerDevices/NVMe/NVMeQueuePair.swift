/// A submission queue and the completion queue that answers it, both in a device's memory.
///
/// One thread uses it.
final class NVMeQueuePair {
  /// The number by which the controller knows the pair; 0 is that of the admin queues.
  let number: Int
  let entries: Int
  private let registers: NVMeRegisters
  private let stride: Int
  private let submissions: DeviceMemory.Piece
  private let completions: DeviceMemory.Piece
  private var tail = 0
  private var head = 0
  /// The phase of answers that are new. The memory starts as zeros, so it is 1 in the first round.
  private var phase = true

  var submissionAddress: UInt64 { submissions.busAddress }
  var completionAddress: UInt64 { completions.busAddress }

  init(
    _ number: Int, entries: Int, registers: NVMeRegisters, stride: Int, memory: DeviceMemory
  ) throws(PeerError) {
    self.number = number
    self.entries = entries
    self.registers = registers
    self.stride = stride
    submissions = try memory.allocate(entries * NVMeCommand.byteCount)
    completions = try memory.allocate(entries * NVMeCompletion.byteCount)
  }

  /// Hands a command to the controller. The caller has fewer commands in flight than the queue has entries.
  func submit(_ command: NVMeCommand, identifier: UInt16) {
    let place = tail * NVMeCommand.byteCount
    for (index, word) in command.encoded(identifier: identifier).enumerated() {
      submissions.store64(word, at: place + index * 8)
    }
    tail = (tail + 1) % entries
    // The queue's memory and the doorbell are two devices, between which the bus keeps no order.
    submissions.arrive()
    registers.ringSubmission(number, tail: tail, stride: stride)
  }

  /// The next answer, where there is one.
  func next() -> NVMeCompletion? {
    let place = head * NVMeCompletion.byteCount
    // The word with the phase is the last of the entry; once it is new, so are those before it.
    let fourth = completions.load32(place + 12)
    guard NVMeCompletion.phase(fourth) == phase else { return nil }
    completions.arrive()
    let answer = NVMeCompletion(completions.load32(place + 8), fourth)
    head = (head + 1) % entries
    if head == 0 { phase.toggle() }
    registers.ringCompletion(number, head: head, stride: stride)
    return answer
  }
}
