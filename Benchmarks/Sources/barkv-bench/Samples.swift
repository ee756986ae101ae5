/// Who does the work.
enum Subject: String, Codable, CaseIterable, Sendable {
  /// Full-line non-temporal copies and fences into pages that are in the page table already.
  case raw
  /// The same into pages that are allocated, but not yet in the page table.
  case rawAllocated
  /// Raw and an open-addressing index, in C.
  case ceiling
  /// The library.
  case barkv
  /// The command-line tool's own benchmark, a process of its own.
  case kvcli
}

/// What is done, to every entry once.
enum Work: String, Codable, CaseIterable, Sendable {
  /// A durable put of a new key.
  case put
  /// A get of a present key in random order, its value copied to the caller's buffer.
  case get
  /// The same, 16 in one call.
  case getMany
  /// A get of an absent key.
  case miss
  /// A durable put of a present key in random order.
  case overwrite
  /// A durable delete of a present key in random order.
  case delete
  /// Puts of new keys in atomic groups of 32, a barrier each group.
  case batch
  /// Deferred puts of new keys, a barrier every 32.
  case deferred
}

/// What was measured, in the order in which it was.
struct Samples: Sendable {
  /// One kind of figure.
  struct Key: Hashable, Sendable {
    /// Who did the work.
    let subject: Subject
    /// What was done.
    let work: Work
    /// By how many threads, where that is what is compared; `nil` for one thread beside the other subjects.
    let scaling: Int?
  }

  /// The nanoseconds per entry of each round.
  private(set) var rounds: [Key: [Double]] = [:]

  /// Adds a round's figure.
  mutating func add(_ nanoseconds: Double, subject: Subject, work: Work, scaling: Int? = nil) {
    rounds[Key(subject: subject, work: work, scaling: scaling), default: []].append(nanoseconds)
  }

  /// The figures of all rounds, if there are any.
  func figures(_ subject: Subject, _ work: Work, scaling: Int? = nil) -> [Double] {
    rounds[Key(subject: subject, work: work, scaling: scaling)] ?? []
  }

  /// The median of all rounds, or `nil` where there is none.
  func median(_ subject: Subject, _ work: Work, scaling: Int? = nil) -> Double? {
    median(of: figures(subject, work, scaling: scaling))
  }

  /// The median of each round's quotient, which cancels what slowed both sides down in a round.
  func ratio(_ numerator: Key, to denominator: Key) -> Double? {
    let pairs = zip(rounds[numerator] ?? [], rounds[denominator] ?? [])
    return median(of: pairs.map { $0 / $1 })
  }

  private func median(of figures: [Double]) -> Double? {
    guard !figures.isEmpty else { return nil }
    let sorted = figures.sorted()
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}
