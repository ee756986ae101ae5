@testable import BarKV

/// The states that a power cut may leave at one point: all of them where they are few, else families that have found
/// what there was to find.
struct StateEnumerator {
  /// Up to so many states all are enumerated.
  static var exhaustiveLimit: Int { 256 }
  /// At most so many pairs of units are drawn.
  private static var pairLimit: Int { 128 }
  /// So many states are drawn at random.
  private static var randomCount: Int { 64 }

  private let units: [PendingUnit]
  private let space: SurvivalSpace
  /// Whether recovery may look at the unit.
  private let isRelevant: [Bool]
  /// Whether every unit may be there or not, whatever the others do.
  private let isFree: Bool
  private var generator: SeededGenerator

  init(_ image: CrashImage, relevantLines: (Int) -> Bool = { _ in true }, seed: UInt64) {
    units = image.units
    space = image.model.rules.space(of: image.units)
    isRelevant = image.units.map { relevantLines($0.line) }
    isFree = space.lanes.allSatisfy { $0.count == 1 && $0[0].allSatisfy { $0.count == 1 } }
    generator = SeededGenerator(seed: seed)
  }

  var none: [Bool] { Array(repeating: false, count: units.count) }
  var all: [Bool] { Array(repeating: true, count: units.count) }

  /// The states, `limit` of them at most, drawn at random where there are more.
  mutating func states(limit: Int = .max) -> [[Bool]] {
    if var all = exhaustive(limit: Self.exhaustiveLimit) {
      if all.count > limit {
        all.shuffle(using: &generator)
        all.removeLast(all.count - limit)
      }
      return all
    }
    let relevant = units.indices.filter { isRelevant[$0] }
    let lines = Dictionary(grouping: relevant) { units[$0].line }.sorted { $0.key < $1.key }.map(\.value)
    var members = family(relevant: relevant.count, lines: lines)
    if members.count > limit {
      members.shuffle(using: &generator)
      members.removeLast(members.count - limit)
    }
    return members.map { member in
      var state = state(of: member, relevant: relevant, lines: lines)
      legalize(&state)
      return state
    }
  }

  // MARK: All

  /// All states, unless there are more than `limit`.
  func exhaustive(limit: Int) -> [[Bool]]? {
    guard isAtMost(limit) else { return nil }
    var partial: [[Int]] = [[]]
    for lane in space.lanes {
      guard let states = laneStates(lane, limit: limit), states.count * partial.count <= limit else { return nil }
      partial = partial.flatMap { before in states.map { before + $0 } }
    }
    return partial.map { survivors in
      var state = none
      for number in survivors { state[number] = true }
      legalize(&state)
      return state
    }
  }

  /// Whether there are no more than so many states.
  private func isAtMost(_ limit: Int) -> Bool {
    var product = 1
    for lane in space.lanes {
      var sum = 1
      for stage in lane {
        var states = 1
        for chain in stage {
          states *= 1 + chain.count { isRelevant[$0] }
          if states > limit { return false }
        }
        sum += states - 1
      }
      product *= sum
      if product > limit { return false }
    }
    return true
  }

  /// The survivors in each state of a lane, of the relevant units.
  private func laneStates(_ lane: SurvivalSpace.Lane, limit: Int) -> [[Int]]? {
    var result: [[Int]] = [[]]
    var before: [Int] = []
    for stage in lane {
      var states: [[Int]] = [[]]
      for chain in stage {
        let relevant = chain.filter { isRelevant[$0] }
        guard states.count * (relevant.count + 1) + result.count <= limit + 1 else { return nil }
        states = states.flatMap { state in (0...relevant.count).map { state + relevant.prefix($0) } }
      }
      // The first of them, nothing of this stage, is the last of the stage before.
      result += states.dropFirst().map { before + $0 }
      before += stage.joined().filter { isRelevant[$0] }
    }
    return result
  }

  // MARK: Families

  /// A state that a family has.
  private enum Member {
    /// So many of a line's first units, against all of the rest or none.
    case line(Int, count: Int, rest: Bool)
    /// Two units that are there, or missing, alone.
    case pair(Int, Int, rest: Bool)
    /// One at random.
    case random(UInt64)
  }

  private mutating func family(relevant: Int, lines: [[Int]]) -> [Member] {
    var members: [Member] = []
    for (number, line) in lines.enumerated() {
      for count in 0...line.count {
        members.append(.line(number, count: count, rest: true))
        members.append(.line(number, count: count, rest: false))
      }
    }
    let pairs = relevant * (relevant - 1) / 2
    for pair in 0..<min(pairs, Self.pairLimit) {
      let (first, second) = pairs <= Self.pairLimit ? Self.pair(pair) : randomPair(relevant)
      members.append(.pair(first, second, rest: true))
      members.append(.pair(first, second, rest: false))
    }
    for _ in 0..<Self.randomCount { members.append(.random(generator.next())) }
    return members
  }

  private func state(of member: Member, relevant: [Int], lines: [[Int]]) -> [Bool] {
    switch member {
    case .line(let line, let count, let rest):
      var state = rest ? all : none
      for (place, number) in lines[line].enumerated() { state[number] = place < count }
      return state
    case .pair(let first, let second, let rest):
      var state = rest ? all : none
      state[relevant[first]] = !rest
      state[relevant[second]] = !rest
      return state
    case .random(let seed):
      return randomState(seed, relevant: relevant, lines: lines)
    }
  }

  private func randomState(_ seed: UInt64, relevant: [Int], lines: [[Int]]) -> [Bool] {
    var generator = SeededGenerator(seed: seed)
    var state = none
    switch seed % 4 {
    case 0:
      // A prefix in the order of tickets, and a few units more or less.
      let end = Int.random(in: 0...relevant.count, using: &generator)
      for number in relevant.prefix(end) { state[number] = true }
      for _ in 0..<2 { state[relevant[Int.random(in: relevant.indices, using: &generator)]].toggle() }
    case 1:
      for line in lines where Bool.random(using: &generator) {
        for number in line { state[number] = true }
      }
    default:
      let odds = Int.random(in: 1...7, using: &generator)
      for number in relevant where Int.random(in: 0..<8, using: &generator) < odds { state[number] = true }
    }
    // What makes no difference takes any value, so that a mistake about that shows.
    for number in units.indices where !isRelevant[number] { state[number] = Bool.random(using: &generator) }
    return state
  }

  /// The pair with that number: (0, 1), (0, 2), (1, 2), (0, 3), …
  private static func pair(_ number: Int) -> (Int, Int) {
    var second = 1
    var left = number
    while left >= second {
      left -= second
      second += 1
    }
    return (left, second)
  }

  private mutating func randomPair(_ count: Int) -> (Int, Int) {
    let first = Int.random(in: 0..<count, using: &generator)
    let second = Int.random(in: 0..<count - 1, using: &generator)
    return (first, second < first ? second : second + 1)
  }

  // MARK: Rules

  /// Makes the state one that the medium may leave: what may not be there without something that is missing goes too.
  /// Units that make no difference come and go as the others need.
  func legalize(_ state: inout [Bool]) {
    if isFree { return }
    for lane in space.lanes {
      var isComplete = true
      var lastStage = -1
      for (number, stage) in lane.enumerated() {
        var holdsSome = false
        let mayHold = isComplete
        for chain in stage {
          let length = mayHold ? survivingLength(of: chain, state) : 0
          if mayHold, chain.dropFirst(length).contains(where: { isRelevant[$0] }) { isComplete = false }
          for (place, unit) in chain.enumerated() { state[unit] = place < length }
          holdsSome = holdsSome || length > 0
        }
        if holdsSome { lastStage = number }
      }
      for stage in lane.prefix(max(lastStage, 0)) {
        for chain in stage { for unit in chain { state[unit] = true } }
      }
    }
  }

  private func survivingLength(of chain: SurvivalSpace.Chain, _ state: [Bool]) -> Int {
    let cut = chain.firstIndex { isRelevant[$0] && !state[$0] } ?? chain.count
    let needed = chain[..<cut].lastIndex { isRelevant[$0] }.map { $0 + 1 } ?? 0
    return chain[needed..<cut].firstIndex { !state[$0] } ?? cut
  }
}
