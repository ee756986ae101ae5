import Testing

@testable import BarKV

/// What a store that was opened on a damaged image turned out to be.
struct Judgement: Sendable {
  /// How the store failed to open, if it did.
  var refusal: StoreError?
  /// Whether every key has its value, and no other key is there.
  var isIntact = false
  /// Whether recovery or verify report damage.
  var isReported = false
  /// The keys that lack their newest value.
  var lostKeys: Set<[UInt8]> = []
  /// Values that no key ever had, given out without an error.
  var inventedValues = 0
  /// Keys that are there and should not.
  var extraKeys: Set<[UInt8]> = []

  /// Opens a copy of `bytes`, and compares it with the sample that it was made from.
  init(_ bytes: [UInt8], sample: SampleImage, access: Access) throws {
    var options = StoreOptions()
    options.verifiesReads = true
    let store: Store
    do {
      store = try Region(image: bytes).open(access: access, options: options)
    } catch {
      refusal = error
      return
    }
    isReported = try store.recovery.damageCount > 0 || !store.verify().isSound
    for (key, value) in sample.contents {
      let found = try? store.get(key)
      if found != value { lostKeys.insert(key) }
      if let found, found != value, sample.history[key]?.contains(found) != true { inventedValues += 1 }
    }
    for key in SampleImage.deletedKeys where (try? store.contains(key)) != false { extraKeys.insert(key) }
    // A walk stops at a record that it cannot read.
    try? store.forEach { (key: RawSpan, _: RawSpan) -> Void in
      if sample.contents[array(key)] == nil { extraKeys.insert(array(key)) }
    }
    isIntact = lostKeys.isEmpty && extraKeys.isEmpty && store.count == sample.contents.count
    guard access == .readWrite else { return }
    try Self.goOn(store, sample: sample, lost: lostKeys)
  }

  /// A store that opened for writing also works: it takes a write, and gives it back at the next open.
  private static func goOn(_ store: Store, sample: SampleImage, lost: Set<[UInt8]>) throws {
    let key = Array("after".utf8)
    if try isDone({ try store.put("after", for: key) }) {
      let again = try Region(image: store.image).open()
      #expect(try again.get(key) == key)
      for (key, value) in sample.contents where !lost.contains(key) { #expect(try again.get(key) == value) }
    }
  }
}

extension Store {
  /// The region's bytes at this moment, while nobody writes.
  var image: [UInt8] { unsafe Array(medium.bytes) }
}
