import BarKV
import PeerDevices

/// Reads blocks straight into a store: the disk writes each value where it will stay.
struct DirectReader {
  /// A value whose place the disk is writing to.
  private struct Pending {
    let token: ReservationToken
    let transfer: NVMeTransferToken
    let firstBlock: UInt64
    let memory: [BusRange]
    let length: Int
  }

  private let store: Store
  private let controller: NVMeController
  private let namespace: NVMeNamespace
  private let depth: Int
  /// Oldest first.
  private var pending: [Pending] = []

  /// - Parameter depth: how many values are on their way at a time, where the store takes that many.
  init(_ store: Store, _ controller: NVMeController, _ namespace: NVMeNamespace, depth: Int) throws {
    guard controller.identity.canCompare else {
      throw Failure(
        Failure.inputOutput, "the disk cannot compare, and nothing else makes sure that what it wrote has arrived")
    }
    self.store = store
    self.controller = controller
    self.namespace = namespace
    self.depth = depth
  }

  /// Makes `transfers`, and calls `committed` with each value's length once it is durable.
  mutating func run(_ transfers: some Sequence<BlockTransfer>, committed: (Int) throws -> Void) throws {
    do {
      for transfer in transfers {
        if pending.count == depth { try committed(finishOldest()) }
        let place = try reserve(transfer, committed: committed)
        try begin(transfer, at: place)
      }
      while !pending.isEmpty { try committed(finishOldest()) }
    } catch {
      abandonAll()
      throw error
    }
  }

  /// Reserves a place; where there is none as long as others are on their way, these come first.
  private mutating func reserve(_ transfer: BlockTransfer, committed: (Int) throws -> Void) throws -> Reservation {
    let length = try transfer.byteCount(in: namespace)
    while true {
      do {
        return try store.reserve(length, for: transfer.key, alignment: NVMeController.memoryAlignment)
      } catch {
        switch error {
        case .full, .tooManyReservations:
          guard !pending.isEmpty else { throw error }
          try committed(finishOldest())
        default: throw error
        }
      }
    }
  }

  private mutating func begin(_ transfer: BlockTransfer, at place: Reservation) throws {
    do {
      let memory = [try BusRange(place.address, length: place.length, noAddress: place.noAddress)]
      let token = try controller.begin(.read, namespace, firstBlock: transfer.firstBlock, memory: memory)
      pending.append(
        Pending(
          token: place.token, transfer: token, firstBlock: transfer.firstBlock, memory: memory, length: place.length))
    } catch {
      // The disk has not been told of the place.
      try store.abandon(place.token)
      throw error
    }
  }

  private mutating func finishOldest() throws -> Int {
    let oldest = pending[0]
    try controller.wait(for: oldest.transfer)
    // The answer lies in other memory than the data, and may have come before it. The disk's own reads of the place push
    // what it wrote there before them.
    try controller.wait(
      for: controller.begin(.compare, namespace, firstBlock: oldest.firstBlock, memory: oldest.memory))
    try store.commit(oldest.token, verifying: .completion)
    pending.removeFirst()
    return oldest.length
  }

  /// Gives up what is on its way. Only a disk that was reset writes no more, so where that fails the places stay reserved.
  private mutating func abandonAll() {
    guard !pending.isEmpty else { return }
    do {
      try controller.close()
      for value in pending { try store.abandon(value.token) }
    } catch {
      Console.message("\(pending.count) values stay in quarantine, as the disk may still write there: \(error)")
    }
    pending = []
  }
}
