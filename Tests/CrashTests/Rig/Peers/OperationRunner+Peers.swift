@testable import BarKV

/// Operations in which a device takes part.
extension OperationRunner {
  /// Reserves room; `nil` where there is none.
  private func reserve(_ key: Int, length: Int, _ store: Store) throws(StoreError) -> Reservation? {
    recorder.append(.reservation(.reserving))
    do throws(StoreError) {
      let reservation = try store.reserve(length, for: name(key), alignment: lineSize)
      recorder.append(.reservation(.reserved(reservation.token.generation)))
      return reservation
    } catch {
      recorder.append(.reservation(.refused))
      switch error {
      case .full, .tooManyReservations, .valueTooLarge: return nil
      default: throw error
      }
    }
  }

  func peerPut(
    _ key: Int, _ value: [UInt8], seed: UInt64, _ operation: Operation, _ store: Store
  ) throws(StoreError) {
    var generator = SeededGenerator(seed: seed)
    guard let reservation = try reserve(key, length: value.count, store) else { return }
    let device = PeerDevice(recorder: recorder)
    var transfer = PeerTransfer(reservation, key: key, bytes: value, isOrdered: false, using: &generator)
    if seed & 1 == 0 { device.deliver(transfer.pieces[0], of: transfer, to: store) }
    device.finish(&transfer, to: store)
    if try !commit(transfer, operation, store) { try abandon(reservation.token, store) }
  }

  func peerReserve(_ key: Int, _ value: [UInt8], seed: UInt64, _ store: Store) throws(StoreError) {
    var generator = SeededGenerator(seed: seed)
    guard let reservation = try reserve(key, length: value.count, store) else { return }
    let device = PeerDevice(recorder: recorder)
    let transfer = PeerTransfer(reservation, key: key, bytes: value, isOrdered: false, using: &generator)
    for piece in transfer.pieces.prefix(Int.random(in: 0...transfer.pieces.count, using: &generator)) {
      device.deliver(piece, of: transfer, to: store)
    }
  }

  func peerFinish(
    _ value: [UInt8], seed: UInt64, commits: Bool, _ operation: Operation, _ store: Store
  ) throws(StoreError) {
    guard let reservation = store.reservations.first?.reservation else { return }
    guard commits, let key = table.withLock({ $0.number(ofKey: reservation.key) }) else {
      return try abandon(reservation.token, store)
    }
    var generator = SeededGenerator(seed: seed)
    let bytes = (0..<reservation.length).map { value[$0 % value.count] }
    var transfer = PeerTransfer(reservation, key: key, bytes: bytes, isOrdered: false, using: &generator)
    PeerDevice(recorder: recorder).finish(&transfer, to: store)
    _ = try commit(transfer, operation, store)
  }

  /// Commits what a device wrote; whether there was room for that.
  private func commit(
    _ transfer: PeerTransfer, _ operation: Operation, _ store: Store
  ) throws(StoreError) -> Bool {
    recorder.append(.reservation(.ending(transfer.generation)))
    var isCommitted = false
    try call(.single, [.set(key: transfer.key, value: number(transfer.bytes))], operation) { () throws(StoreError) in
      let verification: PeerVerification =
        transfer.generation & 1 == 0 ? .completion : .checksum(peerChecksum(transfer.bytes))
      try store.commit(transfer.token, verifying: verification)
      isCommitted = true
      return .done
    }
    recorder.append(.reservation(isCommitted ? .ended(transfer.generation) : .kept(transfer.generation)))
    return isCommitted
  }

  private func abandon(_ token: ReservationToken, _ store: Store) throws(StoreError) {
    recorder.append(.reservation(.ending(token.generation)))
    do throws(StoreError) {
      try store.abandon(token)
      recorder.append(.reservation(.ended(token.generation)))
    } catch {
      recorder.append(.reservation(.kept(token.generation)))
      guard error == .full else { throw error }
    }
  }
}
