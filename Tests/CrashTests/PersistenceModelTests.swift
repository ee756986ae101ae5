import Testing

@testable import BarKV

/// What each model lets a power cut take, on a few stores made by hand.
@Suite struct PersistenceModelTests {
  private static let first = [UInt8](repeating: 0x11, count: lineSize)
  private static let second = [UInt8](repeating: 0x22, count: lineSize)

  private func image(_ model: PersistenceModel) -> CrashImage {
    CrashImage(model: model, base: ImageBuffer(count: 4 * lineSize))
  }

  /// All states that the model permits, each as the 8-byte units that are there: 1 for the first pattern, 2 for the second.
  private func states(_ image: CrashImage) -> Set<[UInt64]> {
    let buffer = ImageBuffer(count: image.base.count)
    let enumerator = StateEnumerator(image, seed: 1)
    var result: Set<[UInt64]> = []
    for state in enumerator.exhaustive(limit: 100_000) ?? [] {
      _ = image.write(state, to: buffer) { _, _ in }
      result.insert((0..<buffer.count / 8).map { buffer.unit(at: $0 * 8, granule: 8) & 3 })
    }
    return result
  }

  private func line(_ units: UInt64..., then rest: [UInt64] = []) -> [UInt64] {
    let known = units + rest
    return known + Array(repeating: 0, count: 32 - known.count)
  }

  @Test(arguments: [PersistenceModel.writeBack, .writeCombining, .relaxed, .statusRead, .regionRead, .file])
  func aLineTearsAnyhow(_ model: PersistenceModel) {
    var image = image(model)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    let states = states(image)
    #expect(states.count == 256)
    #expect(states.contains(line(0, 1, 0, 0, 1, 0, 0, 1)))
  }

  @Test func aLineInACacheHoldsAPrefix() {
    var image = image(.writeBack)
    image.apply(.store(site: .record, offset: 0, bytes: Self.first), thread: 0)
    #expect(states(image).count == 9)
    #expect(!states(image).contains(line(0, 1)))
    image.apply(.fence(site: .record), thread: 0)
    #expect(states(image).count == 9, "a fence alone writes nothing back")
    image.apply(.flush(site: .record, range: 0..<1), thread: 0)
    image.apply(.fence(site: .record), thread: 1)
    #expect(states(image).count == 9, "another thread's fence does not wait for this one's flush")
    image.apply(.fence(site: .record), thread: 0)
    #expect(states(image) == [line(1, 1, 1, 1, 1, 1, 1, 1)])
  }

  @Test func anUncachedMediumKeepsTheOrder() {
    var image = image(.uncached)
    image.apply(.streamingStore(site: .record, offset: 64, bytes: Self.first), thread: 0)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.second), thread: 0)
    let states = states(image)
    #expect(states.count == 17)
    #expect(!states.contains { $0[0] == 2 && $0[15] == 0 })
    image.apply(.fence(site: .record), thread: 0)
    image.apply(.readBack(site: .record, offset: 0), thread: 1)
    #expect(self.states(image).count == 1)
  }

  @Test func postedLinesOfAThreadArriveInTheOrderOfItsFences() {
    var image = image(.writeCombining)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    image.apply(.fence(site: .record), thread: 0)
    #expect(states(image).count == 256, "fenced is posted, not durable")
    image.apply(.streamingStore(site: .record, offset: 64, bytes: Self.second), thread: 0)
    let states = states(image)
    #expect(states.count == 256 + 255)
    #expect(!states.contains { $0[8] == 2 && $0[0] == 0 })
    image.apply(.readBack(site: .record, offset: 0), thread: 0)
    #expect(self.states(image).count == 256, "what was not fenced is not read back")
  }

  @Test func aRelaxedBusKeepsNoOrder() {
    var image = image(.relaxed)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    image.apply(.fence(site: .record), thread: 0)
    image.apply(.streamingStore(site: .record, offset: 64, bytes: Self.second), thread: 0)
    #expect(states(image).contains { $0[8] == 2 && $0[0] == 0 })
    image.apply(.barrier(site: .record, range: 0..<256), thread: 0)
    #expect(states(image).contains(line(0)), "a barrier without a read-back proves nothing")
  }

  /// Only the read that the controller names empties its buffer.
  @Test(arguments: [
    (
      PersistenceModel.statusRead, MediumEvent.readBack(site: .record, offset: 0), MediumEvent.statusRead(site: .record)
    ), (.regionRead, .statusRead(site: .record), .readBack(site: .record, offset: 0)),
  ]) func aRegionKeepsWhatWasReadThrough(model: PersistenceModel, other: MediumEvent, barrier: MediumEvent) {
    var image = image(model)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    image.apply(.fence(site: .record), thread: 0)
    image.apply(.streamingStore(site: .record, offset: 64, bytes: Self.second), thread: 0)
    image.apply(other, thread: 0)
    #expect(states(image).count == 65536)
    #expect(states(image).contains { $0[8] == 2 && $0[0] == 0 }, "the buffer keeps no order")
    image.apply(barrier, thread: 0)
    let states = states(image)
    #expect(states.count == 256, "what was not fenced was not read through")
    #expect(states.allSatisfy { $0[0] == 1 })
  }

  @Test func aFilesBarrierCoversItsRangeOnly() {
    var image = image(.file)
    image.apply(.store(site: .record, offset: 0, bytes: Self.first), thread: 0)
    image.apply(.store(site: .record, offset: 64, bytes: Self.second), thread: 0)
    image.apply(.fence(site: .record), thread: 0)
    image.apply(.barrier(site: .record, range: 0..<64), thread: 0)
    let states = states(image)
    #expect(states.count == 256)
    #expect(states.allSatisfy { $0[0] == 1 })
  }

  @Test func halfAUnitIsAStateOfTheFineModels() {
    var image = image(.relaxed4)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    #expect(image.units.count == 16)
    var state = Array(repeating: false, count: 16)
    state[1] = true
    let buffer = ImageBuffer(count: image.base.count)
    _ = image.write(state, to: buffer) { _, _ in }
    #expect(buffer.unit(at: 0, granule: 8) == 0x1111_1111_0000_0000)
  }

  @Test func ofTwoStoresToAPlaceTheLaterWins() {
    var image = image(.relaxed)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.second), thread: 0)
    let places = Set(states(image).map { $0[0] })
    #expect(places == [0, 1, 2])
    image.apply(.fence(site: .record), thread: 0)
    image.apply(.readBack(site: .record, offset: 0), thread: 0)
    #expect(states(image) == [line(2, 2, 2, 2, 2, 2, 2, 2)])
  }

  @Test func whatAKilledProcessLeftIsSeenAndNotDurable() {
    var image = image(.writeBack)
    image.apply(.streamingStore(site: .record, offset: 0, bytes: Self.first), thread: 0)
    var after = image.afterKill(Array(repeating: true, count: 8))
    after.apply(.fence(site: .record), thread: 1)
    #expect(states(after).count == 9, "the next process's fence is not enough")
    after.apply(.flush(site: .recoveryAccept, range: 0..<64), thread: 1)
    after.apply(.fence(site: .record), thread: 1)
    #expect(states(after) == [line(1, 1, 1, 1, 1, 1, 1, 1)])
  }

  @Test(arguments: PersistenceModel.allCases) func familiesAreLegal(_ model: PersistenceModel) {
    var image = image(model)
    for (offset, thread) in [(0, 0), (64, 1), (128, 0), (64, 1)] {
      image.apply(
        .streamingStore(site: .record, offset: offset, bytes: offset == 64 ? Self.second : Self.first), thread: thread)
      image.apply(.fence(site: .record), thread: thread)
    }
    var enumerator = StateEnumerator(image, seed: 7)
    let states = enumerator.states()
    #expect(!states.isEmpty)
    for state in states {
      var again = state
      enumerator.legalize(&again)
      #expect(again == state)
    }
    if model == .uncached {
      #expect(
        states.allSatisfy { state in
          !(image.units.indices.contains { state[$0] && image.units[$0].offset == 128 }
            && image.units.indices.contains { !state[$0] && image.units[$0].offset == 0 })
        })
    }
  }
}
