@testable import BarKV

/// What is compared after each step.
extension PeerInterleaving {
  func check() throws {
    let key = key()
    let found = try store.get(name(key))
    guard found == known.values[key] else {
      throw failure("key \(key) has \(Self.shown(found)), not \(Self.shown(known.values[key]))")
    }
    if let lease = held.randomElement(using: &generator),
      try lease.lease.withBytes({ bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }) != lease.bytes
    {
      throw failure("leased bytes have changed")
    }
    if chance(1, in: 12) { try checkAll() }
  }

  private static func shown(_ value: [UInt8]?) -> String {
    value.map { "\($0.count) bytes \($0.prefix(4))" } ?? "nothing"
  }

  func checkAll() throws {
    let found = try state()
    guard found == known else { throw failure("\(describe(found)) where there should be \(describe(known))") }
    let report = try store.verify()
    guard report.isSound else { throw failure("verify: \(report.damage)") }
    if held.isEmpty, let fault = try StoreSummary(of: store).fault { throw failure(fault) }
  }

  func describe(_ model: Model) -> String {
    let values = model.values.sorted { $0.key < $1.key }.map { "\($0.key): \(Self.shown($0.value))" }
    return "\(values), open \(model.open.sorted())"
  }

  /// What the store shows.
  func state() throws -> Model {
    var found = Model()
    for key in 0..<shape.keys { found.values[key] = try store.get(name(key)) }
    found.open = store.openReservations
    return found
  }
}
