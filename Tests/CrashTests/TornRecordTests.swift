import Testing

@testable import BarKV

#if canImport(CrashRig)
  @testable import CrashRig
#endif

/// Crashes that follow on crashes, made by hand.
@Suite struct TornRecordTests {
  private static let size = 64 << 10

  /// A put that the power cut tore is gone for good: a second put over the same place, torn so that it happens to bring
  /// the bytes that the first one lacked, must not complete it.
  @Test(arguments: [0, 1]) func aTornRecordIsNotCompletedByALaterOne(_ shorterBefore: Int) throws {
    let geometry = try Geometry(regionBytes: Self.size, segmentSize: nil)
    var recording = try Recording(size: Self.size)
    let store = try Store.create(
      on: recording.medium(), geometry: geometry, path: "memory", options: Recording.options)
    try store.put([1, 2, 3], for: "before")
    recording.apply()
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
    recording.apply(upToFence: true)
    store.abandon()
    let last = recording.image.units.indices.last { recording.image.units[$0].value != 0 }
    let first = shorterBefore == 1 ? recording.image.units.indices.first : nil
    var second = recording.cut { $0 != last && $0 != first }

    let reopened = try second.open()
    #expect(try reopened.contents() == [Array("before".utf8): [1, 2, 3]])
    if shorterBefore == 1 { try reopened.put([8], for: "cd") }
    let expected = try reopened.contents()
    second.apply()
    try reopened.put(later, for: "key2")
    second.apply(upToFence: true)
    reopened.abandon()
    // Of the second put only the unit survives that the first one lacked.
    let unit = second.image.units.indices.last { second.image.units[$0].value != 0 }
    let again = try second.cut { $0 == unit }.open()
    #expect(try again.contents() == expected)
    again.abandon()
  }
}
