extension NVMeController {
  /// Begins a transfer between a disk's blocks and memory, and gives the controller as many commands of it as it has room
  /// for. Transfers that are begun later may end earlier.
  ///
  /// - Parameter memory: where the data is on the bus. Every piece but the first begins at a page of 4 KiB, every piece but
  ///   the last ends at one; the first begins at a multiple of four.
  /// - Throws: ``PeerError/invalidRequest(_:)``; then nothing was begun.
  public func begin(
    _ operation: NVMeOperation, _ namespace: NVMeNamespace, firstBlock: UInt64, memory: [BusRange]
  ) throws(PeerError) -> NVMeTransferToken {
    guard operation != .compare || identity.canCompare else {
      throw .invalidRequest("the controller has no Compare command")
    }
    let transfer = try NVMeTransfer(operation, namespace: namespace, firstBlock: firstBlock, memory: memory)
    let number = nextTransfer
    nextTransfer += 1
    transfers[number] = transfer
    waiting.append(number)
    try fillQueue()
    return NVMeTransferToken(number: number)
  }

  /// Waits until a transfer is over: until the controller has answered all of its commands.
  ///
  /// - Throws: ``PeerError/commandFailed(command:type:code:)`` and ``PeerError/invalidRequest(_:)``, when the controller
  ///   has nothing more to do with the memory; ``PeerError/timedOut(_:milliseconds:)``, ``PeerError/gone(_:)`` and
  ///   ``PeerError/controllerFailed(_:)``, when it may still write there.
  public func wait(for token: NVMeTransferToken) throws(PeerError) {
    guard transfers[token.number] != nil else { throw .invalidRequest("the transfer was waited for already") }
    var deadline = Deadline(milliseconds: commandMilliseconds)
    while true {
      guard let transfer = transfers[token.number] else { return }
      if transfer.isOver {
        transfers[token.number] = nil
        waiting.removeAll { $0 == token.number }
        if let error = transfer.error { throw error }
        return
      }
      if try reap() {
        try fillQueue()
        deadline = Deadline(milliseconds: commandMilliseconds)
      } else if !deadline.goesOn() {
        throw .timedOut(
          "a \(transfer.operation.rawValue) of \(transfer.byteCount) bytes", milliseconds: commandMilliseconds)
      }
    }
  }

  /// Gives commands while there are free slots.
  private func fillQueue() throws(PeerError) {
    while let number = waiting.first {
      guard var transfer = transfers[number], transfer.hasMore else {
        waiting.removeFirst()
        continue
      }
      guard let slot = slots.firstIndex(where: { $0 == nil }) else { return }
      let limit = identity.chunkBytes / transfer.namespace.blockBytes * transfer.namespace.blockBytes
      do throws(PeerError) {
        let chunk = try transfer.nextChunk(limit: limit)
        let place = slot * NVMePages.pageBytes
        for (index, entry) in chunk.pages.list.enumerated() { lists.store64(entry, at: place + index * 8) }
        let command = NVMeCommand.transfer(
          transfer.operation.opcode, namespace: transfer.namespace.number, firstBlock: chunk.block,
          blocks: chunk.blocks, prp: chunk.pages.prp(listAddress: lists.busAddress + UInt64(place)))
        queue.submit(command, identifier: UInt16(slot))
        slots[slot] = number
        transfer.inFlight += 1
        commandCount += 1
      } catch {
        transfer.error = error
      }
      transfers[number] = transfer
    }
  }

  /// Takes one answer; whether there was one.
  private func reap() throws(PeerError) -> Bool {
    guard let answer = queue.next() else { return false }
    let slot = Int(answer.identifier)
    guard slot < slots.count, let number = slots[slot] else {
      throw .controllerFailed("it answers command \(slot), which it was not given")
    }
    slots[slot] = nil
    guard var transfer = transfers[number] else { return true }
    transfer.inFlight -= 1
    if !answer.isSuccess, transfer.error == nil {
      transfer.error = .commandFailed(
        command: transfer.operation.rawValue, type: answer.type, code: answer.code)
    }
    transfers[number] = transfer
    return true
  }
}
