import CBarKV
import Testing

@testable import BarKV

/// Memory that the processor can no longer read (BUS_MCEERR_AR): only the records there are lost, and that is said. The
/// signal is made up, since poisoning real memory takes a privilege and costs the machine a page; what the handler does
/// with it is the real thing.
@Suite struct PoisonedMemoryTests {
  private let file = TemporaryFile()
  private let store: Store
  /// The page that gets poisoned, and the keys in it.
  private let page: Range<Int>
  private let suffering: [Int]

  init() throws {
    store = try Store.create(at: file.address, size: 1 << 20)
    for number in 0..<400 { try store.put(value(number, length: 100), for: key(number)) }
    try store.put(value(5000, length: 30_000), for: "long")
    // The page in which a record of the middle stands.
    let editor = try ImageEditor(Files.read(file.path))
    let records = editor.usedSegments.flatMap { editor.records(ofSegment: $0) }
    func number(_ record: Int) -> Int {
      Int(UInt32(bigEndian: UInt32(littleEndian: editor.load(UInt32.self, record + 12))))
    }
    let middle = try #require(records.first { number($0) == 200 })
    let page = middle / 4096 * 4096..<middle / 4096 * 4096 + 4096
    self.page = page
    suffering = records.filter { page.overlaps($0..<$0 + 116) }.map(number)
    try #require((20...40).contains(suffering.count))
  }

  private func poison(_ page: Range<Int>) throws {
    let address = unsafe try #require(unsafe store.medium.bytes.baseAddress) + page.lowerBound + 100
    try #require(unsafe barkv_bus_fault(address, Int32(BARKV_BUS_POISON), 12))
  }

  /// Whether `error` says that a record in the page is damaged.
  private func isDamage(_ error: StoreError?) -> Bool {
    guard case .damagedRecord(let offset) = error else { return false }
    return page.overlaps(Int(offset)..<Int(offset) + 192)
  }

  @Test func onlyThoseRecordsAreLost() throws {
    try poison(page)
    for number in 0..<400 {
      if suffering.contains(number) {
        #expect(isDamage(storeError { _ = try store.get(key(number)) }), "\(number)")
        #expect(isDamage(storeError { _ = try store.contains(key(number)) }), "\(number)")
        #expect(isDamage(storeError { _ = try store.values(for: [key(0), key(number)]) }), "\(number)")
        #expect(
          isDamage(storeError { _ = try store.compareAndSwap(key(number), expected: "x", new: "y") }), "\(number)")
        #expect(isDamage(storeError { try store.update(key(number)) { _ in .put([1]) } }), "\(number)")
      } else {
        #expect(try store.get(key(number)) == value(number, length: 100))
        #expect(try store.values(for: [key(number), key(9_999)]) == [value(number, length: 100), nil])
      }
    }
    #expect(try store.get("absent") == nil)
    #expect(try store.get("long") == value(5000, length: 30_000))
    #expect(isDamage(storeError { try store.forEach { (_: RawSpan, _: RawSpan) -> Void in } }))
    let report = try store.verify()
    #expect(report.damage.contains { page.contains(Int($0.offset)) })
    #expect(
      report.damage.allSatisfy { page.overlaps(Int($0.offset)..<Int($0.offset + $0.length)) }, "\(report.damage)")
  }

  /// The rest of the store goes on: a put makes a lost key whole, a delete takes it out.
  @Test func theRestGoesOn() throws {
    try poison(page)
    let count = store.count
    for number in suffering.prefix(5) { try store.put("new", for: key(number)) }
    #expect(store.count == count, "a lost key was counted twice")
    for number in suffering.dropFirst(5).prefix(5) { #expect(try store.delete(key(number))) }
    var batch = Batch()
    for number in suffering.dropFirst(10).prefix(5) { batch.put("batch", for: key(number)) }
    for number in suffering.dropFirst(15).prefix(5) { batch.delete(key(number)) }
    try store.write(batch)
    #expect(store.count == count - 10)
    for (place, number) in suffering.enumerated() {
      switch place {
      case 0..<5: #expect(try store.getString(key(number)) == "new")
      case 5..<10, 15..<20: #expect(try store.get(key(number)) == nil)
      case 10..<15: #expect(try store.getString(key(number)) == "batch")
      default: #expect(isDamage(storeError { _ = try store.get(key(number)) }))
      }
    }
    try store.close()
    // What is under the page was never poisoned: the next open shows what was written beside it.
    let again = try Store.open(at: file.address)
    #expect(again.recovery.damageCount == 0 && again.recovery.wasClosed)
    #expect(try again.getString(key(suffering[0])) == "new")
    #expect(try again.get(key(suffering[7])) == nil)
    #expect(try again.get(key(suffering[19])) == nil)
    #expect(again.count == count - 10)
  }

  /// Stores into poisoned memory go nowhere: they are not acknowledged.
  @Test func writingThereIsNotAcknowledged() throws {
    // The page that the next records go to.
    try store.put("mark the place", for: "mark")
    let editor = try ImageEditor(Files.read(file.path))
    let mark = try #require(editor.usedSegments.flatMap { editor.records(ofSegment: $0) }.max())
    try poison(mark / 4096 * 4096..<mark / 4096 * 4096 + 4096)
    guard case .outcomeUnknown = storeError({ try store.put("value", for: "other") }) else {
      Issue.record("the put is not told")
      return
    }
    guard case .deviceLost = storeError({ _ = try store.get(key(1)) }) else {
      Issue.record("the store goes on")
      return
    }
  }

  @Test func aLongValueInUse() throws {
    let place = try #require(
      positions(of: Array(value(5000, length: 30_000).prefix(64)), in: Files.read(file.path)).first)
    let error = storeError {
      _ = try store.withValue(of: "long") { (bytes: RawSpan) -> Int in
        let start = unsafe bytes.withUnsafeBytes { $0.baseAddress }
        #expect(unsafe start.map { unsafe barkv_bus_fault($0 + 9000, Int32(BARKV_BUS_POISON), 12) } == true)
        return bytes.byteCount
      }
    }
    guard case .damagedRecord(let offset) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect((place..<place + 30_000).contains(Int(offset)))
    #expect(try store.get(key(1)) == value(1, length: 100))
    #expect(try store.verify().damage.map(\.kind) == [.extent])
  }

  /// A reader of a store with poison gets the rest; an owner, who would write there, is refused.
  @Test func opening() throws {
    try store.close()
    for access in [Access.readOnly, .readWrite] {
      let medium = try Medium.openFile(path: file.path, access: access, options: StoreOptions())
      let address = unsafe try #require(unsafe medium.bytes.baseAddress) + page.lowerBound
      try #require(unsafe barkv_bus_fault(address, Int32(BARKV_BUS_POISON), 12))
      let before = try Files.read(file.path)
      if access == .readWrite {
        guard
          case .deviceLost = storeError({
            _ = try Recovery.open(medium, path: file.path, access: access, options: StoreOptions())
          })
        else {
          Issue.record("opened for writing")
          return
        }
        medium.unmap()
        #expect(try Files.read(file.path) == before)
        continue
      }
      let reader = try Recovery.open(medium, path: file.path, access: access, options: StoreOptions())
      #expect(reader.recovery.damage.contains { $0.offset == UInt64(page.lowerBound) && $0.length == 4096 })
      for number in 0..<400 where !suffering.contains(number) {
        #expect(try reader.get(key(number)) == value(number, length: 100))
      }
      try reader.close()
    }
  }

  /// More poisoned parts than the guard can tell apart: then the region counts as lost.
  @Test func tooManyParts() throws {
    for number in 0...Int(BARKV_POISONED_RANGES) {
      let address = unsafe try #require(unsafe store.medium.bytes.baseAddress) + 128 << 10 + number * 8192
      try #require(unsafe barkv_bus_fault(address, Int32(BARKV_BUS_POISON), 12))
    }
    guard case .deviceLost = storeError({ _ = try store.get("long") }) else {
      Issue.record("the store goes on")
      return
    }
  }
}
