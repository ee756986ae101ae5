import Synchronization
import Testing

@testable import BarKV

/// Flips every bit of what an image's reading depends on, one at a time.
@Suite struct BitFlipTests {
  /// Bits to flip, and what may suffer.
  struct Target: Sendable {
    var bytes: Range<Int>
    /// The keys that may have another value, or none; each of them one that it had.
    var keys: Set<String> = []
    /// Whether the bits are a record's: each of them counts, and is missed.
    var isRecord = false
  }

  @Test(arguments: [true, false]) func everyBitIsRightOrReported(_ isClosed: Bool) throws {
    let sample = try SampleStore()
    let image = isClosed ? sample.closed : sample.unclosed
    let sound = try Image.open(image)
    #expect(sound.recovery.wasClosed == isClosed && sound.recovery.damageCount == 0)
    #expect(try sound.verify().isSound)
    let targets = try targets(image, sample)
    let bits = targets.flatMap { target in
      target.bytes.flatMap { byte in (0..<8).map { (byte: byte, bit: $0, target: target) } }
    }
    let reported = Atomic<Int>(0)
    let refused = Atomic<Int>(0)
    inParallel(bits.count) { index in
      let flip = bits[index]
      var flipped = image
      flipped[flip.byte] ^= 1 << UInt8(flip.bit)
      do {
        switch try judge(flipped, sample, flip.target, isClosed: isClosed) {
        case .right: break
        case .reported: reported.add(1, ordering: .relaxed)
        case .refused: refused.add(1, ordering: .relaxed)
        }
      } catch {
        Issue.record("byte \(flip.byte), bit \(flip.bit) (\(flip.target)): \(error)")
      }
    }
    // One copy of everything else is left, so nothing keeps the store from opening; and each record bit counts.
    let recordBits = targets.filter(\.isRecord).reduce(0) { $0 + $1.bytes.count * 8 }
    #expect(refused.load(ordering: .relaxed) == 0)
    #expect(reported.load(ordering: .relaxed) == recordBits)
  }

  /// Both superblocks, both manifests, all segment headers, all record headers, and the whole records of some keys.
  private func targets(_ image: [UInt8], _ sample: SampleStore) throws -> [Target] {
    let map = try Image.Map(image)
    let geometry = map.superblock.geometry
    var targets: [Target] = []
    for copy in 0..<2 {
      let superblock = geometry.superblockOffset(copy)
      targets.append(Target(bytes: superblock..<superblock + Superblock.encodedBytes))
      let manifest = geometry.manifestOffset(copy)
      targets.append(Target(bytes: manifest..<manifest + 128))
    }
    for header in map.segments {
      let start = geometry.segmentOffset(header.segment)
      targets.append(Target(bytes: start..<start + Geometry.segmentHeaderBytes))
    }
    // Overwritten, deleted, in a batch, in an extent, and the last of all: the newest record of each as a whole.
    let whole = try ["key/3", "key/4", "batch/1", "extent/0", SampleStore.lastKey].map {
      try #require(map.records(of: $0).last).offset
    }
    for record in map.records {
      let length = whole.contains(record.offset) ? record.header.byteCount : Record.headerBytes
      var keys: Set = [String(decoding: record.key, as: UTF8.self)]
      // Without its head a batch does not count.
      if record.header.kind == .batch { keys = Set(sample.history.keys.filter { $0.hasPrefix("batch/") }) }
      if record.header.kind == .seal { keys = [] }
      targets.append(Target(bytes: record.offset..<record.offset + length, keys: keys, isRecord: true))
    }
    return targets
  }

  private struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  private enum Outcome {
    case right
    /// A key is not right, and the store says so.
    case reported
    case refused
  }

  private func judge(
    _ image: [UInt8], _ sample: SampleStore, _ target: Target, isClosed: Bool
  ) throws -> Outcome {
    let store: Store
    do {
      store = try Image.open(image)
    } catch {
      return .refused
    }
    defer { try? store.close() }
    var isWrong = false
    for (key, values) in sample.history {
      let found: [UInt8]?
      do {
        found = try store.get(key)
      } catch {
        guard case .damagedRecord = error, target.keys.contains(key) else {
          throw Failure(description: "\(key): \(error)")
        }
        isWrong = true
        continue
      }
      if found == sample.contents[key] { continue }
      guard target.keys.contains(key) else { throw Failure(description: "\(key) suffers from it") }
      if let found, !values.contains(found) { throw Failure(description: "\(key) has a value never written") }
      isWrong = true
    }
    guard isWrong || target.isRecord else { return .right }
    if store.recovery.damageCount > 0 { return .reported }
    // After a crash, a last record that is not whole cannot be told from one that was never finished: a torn tail.
    if !isClosed, target.keys == [SampleStore.lastKey], store.recovery.tornTailCount == 1 { return .reported }
    guard try !store.verify().isSound else { throw Failure(description: "damage in silence: \(store.recovery)") }
    return .reported
  }
}
