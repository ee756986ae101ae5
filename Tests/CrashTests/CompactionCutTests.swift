import Testing

@testable import BarKV

#if canImport(CrashRig)
  @testable import CrashRig
#endif

/// The power goes at each point of a compaction that moves values in extents.
@Suite struct CompactionCutTests {
  @Test(arguments: [PersistenceModel.writeBack, .writeCombining, .file, .relaxed])
  func valuesThatAreMoved(_ model: PersistenceModel) throws {
    let size = 24 << 10
    var recording = try Recording(model: model, size: size)
    let store = try Store.create(
      on: recording.medium(), geometry: Geometry(regionBytes: size, segmentSize: 1 << 10), path: "memory",
      options: Recording.options)
    var contents: [[UInt8]: [UInt8]] = [:]
    for number in UInt8(0)..<12 {
      try store.put([UInt8](repeating: number, count: 400), for: [number])
      if number % 2 == 0 { contents[[number]] = [UInt8](repeating: number, count: 400) }
    }
    for number in UInt8(0)..<12 where number % 2 == 1 { try store.delete([number]) }
    try store.checkpoint()
    recording.apply()
    let before = store.statistics.copiedBytes
    try store.compact()
    #expect(store.statistics.copiedBytes >= before + 3 * 400, "nothing was moved")
    try recording.cutEverywhere { cut in
      let opened = try cut.open()
      #expect(opened.recovery.damage.isEmpty)
      #expect(try opened.contents() == contents)
      #expect(try opened.verify().isSound)
      opened.abandon()
    }
    store.abandon()
  }
}
