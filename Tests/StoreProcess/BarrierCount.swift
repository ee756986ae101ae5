import BarKV

/// What each kind of write costs in barriers, in the domain that the environment gives.
struct BarrierCount {
  private let address: StoreAddress

  init(_ address: StoreAddress) {
    self.address = address
  }

  /// Prints the domain, and a line for each kind of write: its name and its barriers.
  func run() throws {
    let store = try Store.create(at: address, size: 4 << 20)
    Main.say("domain \(store.persistence.domain.rawValue) \(store.persistence.level.rawValue)")
    var batch = Batch()
    for number in 0..<1000 { batch.put("value \(number)", for: "batch \(number)") }
    try report("put", store) { try store.put("value", for: "key") }
    try report("overwrite", store) { try store.put("other", for: "key") }
    try report("delete", store) { try store.delete("key") }
    try report("batch", store) { try store.write(batch) }
    try store.close()
  }

  private func report(_ name: String, _ store: Store, _ body: () throws -> Void) throws {
    let before = store.statistics.barrierCount
    try body()
    Main.say("\(name) \(store.statistics.barrierCount - before)")
  }
}
