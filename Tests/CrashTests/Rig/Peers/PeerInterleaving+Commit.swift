@testable import BarKV

/// Commits, with data that is there, late, or missing.
extension PeerInterleaving {
  /// When what is left of a transfer arrives.
  private enum Arrival: CaseIterable {
    case before
    /// At some look of the store's that is not the first.
    case late
    /// Not in time.
    case never
  }

  func commit() throws {
    guard let generation = transfers.keys.sorted().randomElement(using: &generator),
      var transfer = transfers[generation]
    else { return }
    let arrival = Arrival.allCases[number(in: 0...2)]
    note("commit \(transfer.key) \(arrival)")
    if arrival == .before { device.finish(&transfer, to: store) }
    transfers[generation] = transfer
    let isComplete = transfer.isComplete
    let verification = verification(transfer, arrival: isComplete ? .before : arrival)
    if !isComplete, arrival == .late { deliverLate(generation) }
    defer { silence() }
    do throws(StoreError) {
      try store.commit(transfer.token, verifying: verification)
    } catch {
      return try refused(error, isComplete: isComplete, arrival: arrival)
    }
    learn { $0.values[transfer.key] = transfer.bytes }
    ended(generation)
    countCommit()
    try expectGone(transfer.token)
    guard try store.get(name(transfer.key)) == transfer.bytes else {
      throw failure("a commit published something else than was written")
    }
  }

  private func refused(_ error: StoreError, isComplete: Bool, arrival: Arrival) throws {
    countRefusal()
    switch error {
    case .full, .peerUnverified: return
    case .peerDataIncomplete where !isComplete && arrival == .never: return
    default: throw failure("a commit gives \(error)")
    }
  }

  /// A way to find out that the data is there, which is right for how it arrives.
  private func verification(_ transfer: PeerTransfer, arrival: Arrival) -> PeerVerification {
    let checksum = peerChecksum(transfer.bytes)
    let trailer = transfer.bytes.suffix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let hasTrailer = transfer.isOrdered && transfer.bytes.count >= 16
    switch arrival {
    case .before:
      switch number(in: 0...4) {
      case 0: return .completion
      case 1: return .default
      case 2: return .readBack {}
      default: return hasTrailer && chance(1, in: 2) ? .trailer(trailer) : .checksum(checksum)
      }
    case .late:
      if hasTrailer, chance(1, in: 2) { return .trailer(trailer) }
      if chance(1, in: 3) {
        let generation = transfer.generation
        return .readBack { [unowned self] in finish(generation) }
      }
      return .checksum(checksum)
    case .never:
      // There the device's word may come before its data, and is not taken.
      if model.rules.domain.isBehindBus, chance(1, in: 3) { return .default }
      return hasTrailer && chance(1, in: 2)
        ? .trailer(trailer, timeout: .zero) : .checksum(checksum, timeout: .zero)
    }
  }
}
