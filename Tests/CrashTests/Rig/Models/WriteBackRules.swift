@testable import BarKV

/// Persistent memory behind write-back caches (DAX): each line holds some prefix of its stores, at least what was flushed
/// and fenced. A non-temporal store is any subset of units until its thread's fence.
enum WriteBackRules: PersistenceRules {
  static var domain: PersistenceDomain { .cacheFlush }

  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage) {
    switch event {
    case .store(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: false)
    case .streamingStore(_, let offset, let bytes):
      image.add(bytes, at: offset, thread: thread, isStreamed: true)
    case .dma(let offset, let bytes, _):
      image.add(bytes, at: offset, thread: thread, isStreamed: false, isFenced: true)
    case .flush(_, let range):
      let lines = range.lowerBound / lineSize..<(range.upperBound + lineSize - 1) / lineSize
      image.update { unit in
        if !unit.isStreamed, lines.contains(unit.line) { unit.flushedBy = thread }
      }
    case .fence:
      image.commit { $0.isStreamed ? $0.thread == thread : $0.flushedBy == thread }
    case .barrier, .readBack, .statusRead, .dmaDone, .peerRead, .evict:
      break
    }
  }

  static func space(of units: [PendingUnit]) -> SurvivalSpace {
    let streamed = independent(units.indices.filter { units[$0].isStreamed }, units)
    var lines: [Int: SurvivalSpace.Chain] = [:]
    for number in units.indices where !units[number].isStreamed {
      lines[units[number].line, default: []].append(number)
    }
    return SurvivalSpace(lanes: [[streamed + lines.sorted { $0.key < $1.key }.map(\.value)]])
  }
}
