import Synchronization

@testable import BarKV

/// Keeps every event of a medium, in the order in which the medium made it.
final class EventRecorder: MediumObserver {
  private let list = Locked<[MediumEvent]>([])

  func observe(_ event: MediumEvent) throws(StoreError) {
    list.withLock { $0.append(event) }
  }

  var events: [MediumEvent] { list.withLock { $0 } }
  var count: Int { list.withLock { $0.count } }
}

/// What a power cut leaves of recorded events, in the harshest order that the medium allows: what was stored before a
/// barrier is there; of what was stored after the last one, any subset of 8-byte units.
struct CrashModel {
  /// The image up to the last barrier.
  private(set) var durable: [UInt8]
  /// The 8-byte units stored since, in order.
  private(set) var pending: [(offset: Int, bytes: [UInt8])] = []

  /// The lines that have something pending, for a failure's message.
  var pendingLines: [Int] { Set(pending.map { $0.offset / 64 * 64 }).sorted() }

  init(image: [UInt8]) {
    durable = image
  }

  mutating func apply(_ event: MediumEvent) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      for unit in stride(from: 0, to: bytes.count, by: 8) {
        pending.append((offset + unit, Array(bytes[unit..<unit + 8])))
      }
    case .barrier(_, let range):
      // What lies outside the barrier's range is durable by no promise.
      var kept: [(offset: Int, bytes: [UInt8])] = []
      for unit in pending {
        if range.contains(unit.offset) {
          durable.replaceSubrange(unit.offset..<unit.offset + 8, with: unit.bytes)
        } else {
          kept.append(unit)
        }
      }
      pending = kept
    case .flush, .fence:
      break
    }
  }

  /// The image in which the pending units that `survives` accepts are there.
  func image(_ survives: (Int) -> Bool) -> [UInt8] {
    var image = durable
    for (index, unit) in pending.enumerated() where survives(index) {
      image.replaceSubrange(unit.offset..<unit.offset + 8, with: unit.bytes)
    }
    return image
  }

  /// Images that stand for all that a cut may leave: nothing, everything, each line alone missing or alone there, a
  /// prefix, and `count` random subsets.
  func images(count: Int, using generator: inout SeededGenerator) -> [[UInt8]] {
    guard !pending.isEmpty else { return [durable] }
    var images = [image { _ in false }, image { _ in true }]
    let lines = Set(pending.map { $0.offset / 64 }).sorted()
    for line in lines.shuffled(using: &generator).prefix(6) {
      images.append(image { pending[$0].offset / 64 == line })
      images.append(image { pending[$0].offset / 64 != line })
    }
    for _ in 0..<count {
      let kind = Int.random(in: 0..<3, using: &generator)
      switch kind {
      case 0:
        let end = Int.random(in: 0...pending.count, using: &generator)
        images.append(image { $0 < end })
      case 1:
        let kept = Set(lines.filter { _ in Bool.random(using: &generator) })
        images.append(image { kept.contains(pending[$0].offset / 64) })
      default:
        let bits = pending.map { _ in Bool.random(using: &generator) }
        images.append(image { bits[$0] })
      }
    }
    return images
  }
}
