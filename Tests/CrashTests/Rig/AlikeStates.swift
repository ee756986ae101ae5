@testable import BarKV

/// Remembers, for one crash point, which lines each judged state made recovery load. A state that differs from a judged one in
/// other lines alone is recovered alike: recovery cannot know the difference.
final class AlikeStates {
  private let lineOfUnit: [Int]
  private let numberOfLine: [Int: Int]
  /// What the state at hand puts into each line.
  private var content: [UInt64]
  /// Sets of loaded lines, and what the judged states with that set had in them.
  private var judged: [[Bool]: Set<UInt64>] = [:]
  private var everLoaded: [Bool]
  private(set) var loadedCount = 0

  init(_ image: CrashImage) {
    let lines = Set(image.units.map(\.line)).sorted()
    let numbers = Dictionary(uniqueKeysWithValues: lines.enumerated().map { ($1, $0) })
    numberOfLine = numbers
    lineOfUnit = image.units.map { numbers[$0.line] ?? 0 }
    content = Array(repeating: 0, count: lines.count)
    everLoaded = Array(repeating: false, count: lines.count)
  }

  /// Begins a state.
  func begin() {
    for line in content.indices { content[line] = 0 }
  }

  /// Enters what a unit of the state changes.
  @inline(__always)
  func add(_ unit: Int, _ change: UInt64) {
    content[lineOfUnit[unit]] &+= change
  }

  /// Whether the state differs from none that was judged in a line that mattered there.
  var isKnown: Bool {
    judged.contains { loaded, contents in contents.contains(digest(loaded)) }
  }

  private func digest(_ loaded: [Bool]) -> UInt64 {
    var sum: UInt64 = 0
    for line in content.indices where loaded[line] { sum &+= content[line] }
    return sum
  }

  /// Whether any judged state made anybody load the line of the region.
  func isLoaded(_ line: Int) -> Bool {
    numberOfLine[line].map { everLoaded[$0] } ?? true
  }

  /// Enters what judging the state has loaded.
  func note(_ ranges: [Range<Int>]...) {
    var loaded = Array(repeating: false, count: content.count)
    for range in ranges.joined() where !range.isEmpty {
      let first = range.lowerBound / lineSize
      let last = (range.upperBound - 1) / lineSize
      for (line, number) in numberOfLine where line >= first && line <= last { loaded[number] = true }
    }
    judged[loaded, default: []].insert(digest(loaded))
    for line in loaded.indices where loaded[line] && !everLoaded[line] {
      everLoaded[line] = true
      loadedCount += 1
    }
  }
}
