import Testing

@testable import BarKV

/// Crashes that follow on crashes, made by hand.
@Suite struct TornRecordTests {
  /// A put that the power cut tore is gone for good: a second put over the same place, torn so that it happens to bring
  /// the bytes that the first one lacked, must not complete it.
  @Test(arguments: [0, 1]) func aTornRecordIsNotCompletedByALaterOne(_ shorterBefore: Int) throws {
    let size = 64 << 10
    let recorder = EventRecorder()
    let blank = [UInt8](repeating: 0, count: size)
    let geometry = try Geometry(regionBytes: size, segmentSize: nil)
    var model = CrashModel(image: blank)
    var applied = 0
    func apply() {
      for event in recorder.events[applied...] { model.apply(event) }
      applied = recorder.count
    }
    func applyUpToBarrier() {
      for event in recorder.events[applied...] {
        if case .barrier = event { break }
        model.apply(event)
      }
    }
    let store = try Store.create(
      on: Medium.memory(image: blank, domain: .cacheFlush, observer: recorder), geometry: geometry, path: "memory",
      options: StoreOptions())
    try store.put([1, 2, 3], for: "before")
    apply()
    // The value of the second key, one byte further in, has the same bytes in the same places.
    let torn = (0..<131).map { UInt8(158) &+ UInt8($0) }
    let later = (0..<132).map { UInt8(157) &+ UInt8($0) }
    if shorterBefore == 1 {
      // The torn record is the second of a group: the place of the first will be taken by another.
      try store.put([9], for: "ab", durability: .deferred)
      try store.put(torn, for: "key16", durability: .deferred)
      try store.persist()
    } else {
      try store.put(torn, for: "key16")
    }
    applyUpToBarrier()
    let last = model.pending.indices.last { !model.pending[$0].bytes.allSatisfy { $0 == 0 } }
    let first = shorterBefore == 1 ? model.pending.indices.first : nil
    let cut = model.image { $0 != last && $0 != first }

    let second = EventRecorder()
    let reopened = try Recovery.open(
      Medium.memory(image: cut, domain: .cacheFlush, observer: second), path: "memory", access: .readWrite,
      options: StoreOptions())
    #expect(try reopened.contents() == [Array("before".utf8): [1, 2, 3]])
    if shorterBefore == 1 { try reopened.put([8], for: "cd") }
    let expected = try reopened.contents()
    model = CrashModel(image: cut)
    for event in second.events { model.apply(event) }
    applied = second.count
    try reopened.put(later, for: "key2")
    for event in second.events[applied...] {
      if case .barrier = event { break }
      model.apply(event)
    }
    // Of the second put only the unit survives that the first one lacked.
    let unit = model.pending.indices.last { !model.pending[$0].bytes.allSatisfy { $0 == 0 } }
    let again = try Recovery.open(
      Medium.memory(image: model.image { $0 == unit }, domain: .cacheFlush), path: "memory", access: .readWrite,
      options: StoreOptions())
    #expect(try again.contents() == expected)
  }
}
