/// What is asked of BarKV beside another store.
struct Demand: Sendable {
  /// How often BarKV is to do what the other does once.
  let factor: Double
  let work: Work
  /// The other store, or `nil` for the fastest one.
  let rival: String?
  /// The other's mode; BarKV is always durable.
  let mode: Mode

  /// What came of it.
  struct Outcome: Sendable {
    /// What is compared, in words.
    var name: String
    var asked: String
    /// `nil` where one side was not measured.
    var found: Double?
    var isMet: Bool
  }

  static let all = [
    Demand(factor: 20, work: .put, rival: "lmdb", mode: .durable),
    Demand(factor: 20, work: .put, rival: "rocksdb", mode: .durable),
    Demand(factor: 8, work: .overwrite, rival: "lmdb", mode: .durable),
    Demand(factor: 10, work: .delete, rival: "lmdb", mode: .durable),
    Demand(factor: 4, work: .get, rival: "lmdb", mode: .durable),
    Demand(factor: 2.5, work: .get, rival: "tkrzw", mode: .durable),
    Demand(factor: 5, work: .miss, rival: "lmdb", mode: .durable),
    Demand(factor: 1, work: .ycsbA, rival: nil, mode: .fastest),
    Demand(factor: 1, work: .ycsbB, rival: nil, mode: .fastest),
  ]

  /// Judges it.
  func outcome(_ results: Results) -> Outcome {
    let barkv = Subject.barkv.identifier
    let rivals = results.stores.filter { $0.identifier != barkv && (rival == nil || rival == $0.identifier) }
    let found = rivals.compactMap { rival in
      results.speedup(work, of: barkv, over: rival.identifier, .durable, otherMode: mode).map { (rival.name, $0) }
    }
    // Of several, the one that comes nearest.
    let nearest = found.min { $0.1 < $1.1 }
    let name: String =
      if let rival {
        (work.onlyReads ? "" : "durable ") + "\(work.title), to \(rivals.first?.name ?? rival)"
      } else {
        "durable \(work.title), to the fastest mode of any" + (nearest.map { ", which is \($0.0)'s" } ?? "")
      }
    return Outcome(
      name: name, asked: rival == nil ? "more than \(number(factor))" : "at least \(number(factor))",
      found: nearest?.1, isMet: nearest.map { rival == nil ? $0.1 > factor : $0.1 >= factor } ?? false)
  }
}
