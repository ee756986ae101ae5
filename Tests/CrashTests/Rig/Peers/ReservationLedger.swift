@testable import BarKV

/// What happens to reservations, beside the calls that change values.
enum ReservationEvent: Sendable {
  /// One is about to be made.
  case reserving
  case reserved(UInt64)
  case refused
  /// One is about to be ended by a commit or an abandonment.
  case ending(UInt64)
  case ended(UInt64)
  case kept(UInt64)
}

/// The reservations that a store must list, and those that it may.
struct ReservationLedger: Sendable, Hashable {
  private(set) var open: Set<UInt64> = []
  private var ending: Set<UInt64> = []
  private var underway = 0

  init(open: Set<UInt64> = []) { self.open = open }

  mutating func note(_ event: ReservationEvent) {
    switch event {
    case .reserving: underway += 1
    case .refused: underway -= 1
    case .reserved(let generation):
      underway -= 1
      open.insert(generation)
    case .ending(let generation): ending.insert(generation)
    case .kept(let generation): ending.remove(generation)
    case .ended(let generation):
      ending.remove(generation)
      open.remove(generation)
    }
  }

  /// Stands for the ledger where states are told apart.
  var identity: UInt64 {
    let mustBe = open.subtracting(ending).reduce(UInt64(underway) &* 3) { $0 &+ CrashImage.mix(8, $1) }
    return ending.reduce(mustBe) { $0 &+ CrashImage.mix(16, $1) }
  }

  /// What is wrong with the list that a store gives, if anything is.
  func fault(_ found: Set<UInt64>) -> String? {
    let missing = open.subtracting(ending).subtracting(found)
    if !missing.isEmpty { return "reservations \(missing) are forgotten" }
    let more = found.subtracting(open)
    return more.count > underway ? "reservations \(more) were ended, or never made" : nil
  }
}

extension Store {
  /// The generations of the reservations that are open.
  var openReservations: Set<UInt64> { Set(reservations.map(\.reservation.token.generation)) }
}
