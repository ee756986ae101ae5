import Testing

@testable import BarKV

/// The first get of a part of the index that is not in memory answers from the region, and fills nothing.
@Suite struct FirstGetTests {
  private let region = Region(size: 4 << 20)
  /// So many that opening does not fill all parts at once, as it does where little is gained by leaving them for later.
  private static let count = 2_200

  private var quiet: StoreOptions {
    var options = StoreOptions()
    options.warmsIndex = false
    return options
  }

  /// What key `number` has after ``fill(_:)``: keys of the runs, overwritten, deleted and put again behind the checkpoint.
  private func expected(_ number: Int) -> [UInt8]? {
    switch number % 5 {
    case 0: value(number, length: 30)
    case 1: value(number + 1, length: number < 60 ? 5_000 : 40)
    case 2: nil
    case 3: number < Self.count / 2 ? value(number, length: number < 60 ? 6_000 : 20) : nil
    default: value(number + 2, length: 50)
    }
  }

  /// Keys in base and delta runs and in the tail.
  private func fill(_ store: Store) throws {
    for number in 0..<Self.count where number % 5 != 3 { try store.put(value(number, length: 30), for: key(number)) }
    try store.checkpoint()
    for number in 0..<Self.count where number % 5 == 4 { try store.delete(key(number)) }
    for number in 0..<Self.count / 2 where number % 5 == 3 {
      if let value = expected(number) { try store.put(value, for: key(number)) }
    }
    try store.checkpoint()
    for number in 0..<Self.count where number % 5 == 1 {
      try store.put(value(number, length: 9), for: key(number))
      if let value = expected(number) { try store.put(value, for: key(number)) }
    }
    for number in 0..<Self.count where number % 5 == 2 { try store.delete(key(number)) }
    for number in 0..<Self.count where number % 5 == 4 {
      try store.put(value(number + 2, length: 50), for: key(number))
    }
  }

  /// Fills all parts and takes their tables away, so that nobody has asked for any since.
  private func evictAll(_ store: Store) throws {
    for partition in 0..<store.index.partitionCount {
      try store.makeResident(partition)
      store.index.lock(partition).lock()
      _ = store.index.evict(partition)
      store.index.lock(partition).unlock()
    }
    #expect(store.index.residentCount == 0)
  }

  @Test func answersOfAnIndexThatIsInTheRegion() throws {
    let store = try region.create(options: quiet)
    try fill(store)
    let again = try region.copy().open(options: quiet)
    #expect(again.index.residentCount == 0)
    // The tail is looked through as opening left it, then as its resolved changes.
    for number in 0..<Self.count {
      let isFirst = (0..<number).allSatisfy { place(again, $0).partition != place(again, number).partition }
      let before = again.index.residentCount
      #expect(try again.get(key(number)) == expected(number), "key \(number)")
      if isFirst { #expect(again.index.residentCount == before) }
    }
    for number in 0..<Self.count + 20 {
      try evictAll(again)
      #expect(try again.get(key(number)) == (number < Self.count ? expected(number) : nil), "key \(number)")
      #expect(again.index.residentCount == 0)
    }
    try again.expectSound()
  }

  /// Every key as the first that is asked for.
  @Test func answersOfATailAsOpeningLeftIt() throws {
    let store = try region.create(options: quiet)
    try fill(store)
    for number in stride(from: 0, to: Self.count + 5, by: 23) {
      let again = try region.copy().open(options: quiet)
      #expect(try again.get(key(number)) == (number < Self.count ? expected(number) : nil), "key \(number)")
      #expect(again.index.residentCount == 0)
    }
  }

  @Test func theSecondGetFillsThePart() throws {
    let store = try region.create(options: quiet)
    try fill(store)
    try store.checkpoint()
    try evictAll(store)
    for count in [0, 1, 1] {
      #expect(try store.get(key(5)) == expected(5))
      #expect(store.index.residentCount == count)
    }
    try evictAll(store)
    #expect(try store.get(key(5)) == expected(5))
    #expect(store.index.residentCount == 0)
    // A write needs the part whole.
    try store.put("new", for: key(5))
    #expect(store.index.residentCount == 1)
    #expect(try store.getString(key(5)) == "new")
  }

  @Test func aDamagedRun() throws {
    let store = try region.create(options: quiet)
    try fill(store)
    try store.checkpoint()
    let run = try #require(store.loader.runs.deltas.first ?? store.loader.runs.base.first)
    var image = region.image
    for position in run.offset + Run.headerBytes..<run.offset + run.byteCount { image[position] ^= 0x55 }
    let damaged = try Region(image: image).open(options: quiet)
    for number in [0, 1, 2] {
      guard case .damagedIndex = storeError({ _ = try damaged.get(key(number)) }) else {
        Issue.record("a damaged run answered for key \(number)")
        return
      }
    }
  }

  private func place(_ store: Store, _ number: Int) -> Index.Place {
    unsafe key(number).withUnsafeBytes { unsafe store.index.place(store.log.hash($0)) }
  }
}
