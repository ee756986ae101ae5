import Testing

@testable import BarKV

@Suite struct StoreBasicsTests {
  @Test func putGetDelete() throws {
    let file = TemporaryFile()
    let store = try Store.create(at: file.address, size: 1 << 20)
    try store.put("value", for: "key")
    #expect(try store.getString("key") == "value")
    try store.put("other", for: "key")
    #expect(try store.getString("key") == "other")
    #expect(store.count == 1)
    #expect(try store.delete("key"))
    #expect(try store.get("key") == nil)
    #expect(try !store.delete("key"))
    #expect(store.count == 0)
    try store.close()
  }

  @Test func reopen() throws {
    let file = TemporaryFile()
    do {
      let store = try Store.create(at: file.address, size: 1 << 20)
      for number in 0..<1000 { try store.put("value \(number)", for: "key \(number)") }
      for number in stride(from: 0, to: 1000, by: 3) { try store.delete("key \(number)") }
      try store.close()
    }
    let store = try Store.open(at: file.address)
    #expect(store.recovery.wasClosed)
    #expect(store.recovery.damageCount == 0)
    for number in 0..<1000 {
      #expect(try store.getString("key \(number)") == (number % 3 == 0 ? nil : "value \(number)"))
    }
    let report = try store.verify()
    #expect(report.isSound, "\(report.damage)")
    try store.close()
  }
}
