@testable import BarKV

/// Opens what a power cut leaves, judges it, and goes on from there.
final class Judge {
  /// What to judge of each point.
  struct Effort: Sendable {
    /// States a point at most.
    var statesPerPoint = Int.max
    /// States a point where recovery, or what follows it, is cut again.
    var nestedStatesPerPoint = 4
    /// One in so many states is looked at from all sides; the rest is opened and compared.
    var deepShare: UInt64 = 16
  }

  /// What was judged.
  struct Count: Sendable {
    /// States that differ, each with what is right for it, judged.
    var states = 0
    /// States after a second and third cut.
    var nested = 0
    /// States that were not opened: they differ from one that was in lines alone that nobody loads.
    var alike = 0
    /// States met again.
    var repeated = 0
    /// Points at which the power was cut.
    var points = 0
  }

  let model: PersistenceModel
  let shape: Shape
  let effort: Effort
  let table: Locked<ValueTable>
  private(set) var count = Count()
  /// Called after each state: it ends the run when enough is judged.
  private let tick: (Int) throws(RigStop) -> Void
  private var seen: Set<UInt64> = []
  private var levels: [Level] = []
  /// Draws which states are looked at more closely. Not by their bytes: these name the process.
  private var lots = SeededGenerator(seed: 0)
  private let checkLoads: Bool

  private struct Level {
    var buffer: ImageBuffer
    var recorder: EventRecorder
  }

  /// What opening a state has shown.
  private struct Opened {
    var store: Store
    var digest: UInt64
    var contents: StoreSummary
    var recoveryEvents: [RunEvent]
  }

  init(
    model: PersistenceModel, shape: Shape, table: Locked<ValueTable>, effort: Effort, checkLoads: Bool = false,
    tick: @escaping (Int) throws(RigStop) -> Void = { (_) throws(RigStop) in }
  ) {
    self.model = model
    self.shape = shape
    self.table = table
    self.effort = effort
    self.checkLoads = checkLoads
    self.tick = tick
  }

  private func level(_ number: Int) -> Level {
    while levels.count <= number {
      levels.append(Level(buffer: ImageBuffer(count: shape.size), recorder: EventRecorder()))
    }
    return levels[number]
  }

  // MARK: Points

  /// Judges what a cut at this point may leave.
  func judge(_ image: CrashImage, oracle: Oracle, seed: UInt64) throws {
    count.points += 1
    lots = SeededGenerator(seed: seed)
    var enumerator = StateEnumerator(image, seed: seed)
    guard !image.units.isEmpty else {
      _ = try judgeState(image, enumerator.none, oracle, nil)
      return
    }
    let alike = AlikeStates(image)
    _ = try judgeState(image, enumerator.none, oracle, alike)
    _ = try judgeState(image, enumerator.all, oracle, alike)
    var random = enumerator
    for state in random.states(limit: 4) { _ = try judgeState(image, state, oracle, alike) }
    // What was judged so far says which lines matter; a line that turns out to matter later starts it again.
    var known = -1
    while known != alike.loadedCount {
      known = alike.loadedCount
      enumerator = StateEnumerator(image, relevantLines: alike.isLoaded, seed: seed)
      for state in enumerator.states(limit: effort.statesPerPoint) {
        _ = try judgeState(image, state, oracle, alike)
        if alike.loadedCount != known, known >= 0 { break }
      }
    }
  }

  /// Judges one state at the first level; whether it was opened.
  @discardableResult
  private func judgeState(
    _ image: CrashImage, _ survives: [Bool], _ oracle: Oracle, _ alike: AlikeStates?
  ) throws -> Bool {
    let level = level(0)
    let lot = lots.next()
    alike?.begin()
    let hash = image.write(survives, to: level.buffer) { number, change in alike?.add(number, change) }
    let name = hash &+ oracle.identity &* 0x9E37_79B9_7F4A_7C15
    guard seen.insert(name).inserted else {
      count.repeated += 1
      return false
    }
    if let alike, alike.isKnown {
      count.alike += 1
      // Some are opened all the same: they have to be judged as the others were.
      guard checkLoads || lot & 63 == 0 else { return false }
    }
    count.states += 1
    let opened = try open(image, survives, oracle, number: 0)
    alike?.note(opened?.contents.loads ?? [], level.recorder.takeLoads())
    if let opened {
      defer { opened.store.abandon() }
      try judgeDeeply(image, survives, opened, oracle, lot: lot >> 6)
    }
    try tick(1)
    return true
  }

  // MARK: A state

  /// Opens the state that stands in a level's buffer; `nil` where there is rightly no store.
  private func open(_ image: CrashImage, _ survives: [Bool], _ oracle: Oracle, number: Int) throws -> Opened? {
    let level = level(number)
    level.recorder.reset()
    func failure(_ description: String) -> RigFailure {
      _ = image.write(survives, to: level.buffer) { _, _ in }
      let lines = Set(image.units.map(\.line)).sorted()
      return RigFailure(
        description: "\(description); in flight: \(oracle.inFlight); cut \(number + 1), pending lines \(lines)",
        image: level.buffer.array, oracle: oracle)
    }
    let store: Store
    do throws(StoreError) {
      let medium = try level.buffer.medium(for: model, observer: level.recorder)
      store = try Recovery.open(medium, path: "image", access: .readWrite, options: shape.options)
    } catch {
      if oracle.mayBeMissing, case .notAStore = error { return nil }
      throw failure("the store does not open: \(error)")
    }
    do {
      let contents = try StoreSummary(of: store)
      guard oracle.allowed.contains(contents.digest) else {
        throw failure("contents that no order explains: \(describe(store))")
      }
      guard store.recovery.damage.allSatisfy({ oracle.mayBeMissing && $0.kind == .superblock }) else {
        throw failure("the cut looks like damage: \(store.recovery.damage)")
      }
      if let fault = oracle.reservations?.fault(store.openReservations) { throw failure(fault) }
      guard store.recovery.wasClosed || !oracle.isClosed else { throw failure("the close is forgotten") }
      if let fault = contents.fault { throw failure(fault) }
      return Opened(
        store: store, digest: contents.digest, contents: contents, recoveryEvents: level.recorder.take())
    } catch {
      store.abandon()
      throw error is RigFailure ? error : failure("reading fails: \(error)")
    }
  }

  private func describe(_ store: Store) -> String {
    guard let contents = try? store.contents() else { return "unreadable" }
    return contents.map { key, value in
      "\(String(decoding: key, as: UTF8.self)): \(value.count) bytes \(value.prefix(4))"
    }.sorted().joined(separator: ", ")
  }

  /// Looks at a share of the states from all sides.
  private func judgeDeeply(
    _ image: CrashImage, _ survives: [Bool], _ opened: Opened, _ oracle: Oracle, lot: UInt64
  ) throws {
    // What a cut in a creation left that nobody was told of may keep a torn superblock.
    guard lot % effort.deepShare == 0, !oracle.mayBeMissing else { return }
    var oracle = oracle
    // The next owner has begun.
    oracle.isClosed = false
    do {
      switch lot >> 32 & 7 {
      case 0:
        try openTwice(opened)
      case 1, 2:
        let cut = CrashImage(model: model, base: copy(image, survives))
        try cutRecovery(cut, opened.recoveryEvents, oracle, depth: 2, number: 1, seed: lot)
      case 3, 4, 5:
        let cut = CrashImage(model: model, base: copy(image, survives))
        try goOn(opened, cut, number: 1, seed: lot)
      default:
        try killThenCut(image.afterKill(survives), opened, oracle, seed: lot)
      }
    } catch let failure as RigFailure {
      var failure = failure
      failure.description += "; after a first cut that left \(opened.contents.keyCount) keys"
      throw failure
    }
  }

  private func copy(_ image: CrashImage, _ survives: [Bool]) -> ImageBuffer {
    let buffer = ImageBuffer(count: shape.size)
    _ = image.write(survives, to: buffer) { _, _ in }
    return buffer
  }

  /// `verify` finds nothing, and what recovery leaves opens as the same, with nothing more lost or in use.
  private func openTwice(_ opened: Opened) throws {
    let oracle = Oracle(
      allowed: [opened.digest], reservations: ReservationLedger(open: opened.store.openReservations))
    let report = try opened.store.verify()
    guard report.isSound else {
      throw RigFailure(
        description: "verify after recovery: \(report.damage)", image: level(0).buffer.array, oracle: oracle)
    }
    let buffer = ImageBuffer(count: shape.size)
    buffer.copy(from: level(0).buffer)
    let image = CrashImage(model: model, base: buffer)
    _ = image.write([], to: level(1).buffer) { _, _ in }
    guard let again = try open(image, [], oracle, number: 1) else { return }
    defer { again.store.abandon() }
    count.nested += 1
    guard again.contents.freeSegments == opened.contents.freeSegments + opened.contents.blankSegments else {
      throw RigFailure(
        description:
          "\(opened.contents.freeSegments) free segments, \(again.contents.freeSegments) after a second open",
        image: buffer.array, oracle: oracle)
    }
  }

  /// Cuts the power inside recovery. Nobody has had an answer from it: the next one may decide otherwise, as long as what
  /// it finds is right. (It does now and then: zeros that erase a torn record may complete one whose value is zeros.)
  private func cutRecovery(
    _ start: CrashImage, _ events: [RunEvent], _ oracle: Oracle, depth: Int, number: Int, seed: UInt64
  ) throws {
    var image = start
    var judged = -1
    for case .medium(let event, let thread) in events {
      if event.isCrashPoint, image.version != judged, !image.units.isEmpty {
        judged = image.version
        try judgeNested(image, oracle, number: number, seed: seed &+ UInt64(judged)) { survives, opened in
          guard depth > 1, CrashImage.mix(number, seed &+ UInt64(count.nested)) % 6 == 0 else { return }
          let cut = CrashImage(model: model, base: copy(image, survives))
          try cutRecovery(
            cut, opened.recoveryEvents, oracle, depth: depth - 1, number: number + 1, seed: seed ^ 0x5555)
        }
      }
      image.apply(event, thread: thread)
    }
  }

  /// Judges a few states of a later cut.
  private func judgeNested(
    _ image: CrashImage, _ oracle: Oracle, number: Int, seed: UInt64,
    then: ([Bool], Opened) throws -> Void = { _, _ in }
  ) throws {
    var enumerator = StateEnumerator(image, seed: seed)
    var states = [enumerator.none]
    if !image.units.isEmpty {
      states.append(enumerator.all)
      states += enumerator.states(limit: effort.nestedStatesPerPoint)
    }
    for survives in states {
      _ = image.write(survives, to: level(number).buffer) { _, _ in }
      count.nested += 1
      guard let opened = try open(image, survives, oracle, number: number) else { continue }
      defer { opened.store.abandon() }
      try then(survives, opened)
    }
  }

  /// Makes two more operations, closes the store, and cuts the power in each.
  private func goOn(_ opened: Opened, _ start: CrashImage, number: Int, seed: UInt64) throws {
    var image = start
    for case .medium(let event, let thread) in opened.recoveryEvents { image.apply(event, thread: thread) }
    var checker = LinearizabilityChecker(
      values: try table.withLock { (table) throws(StoreError) in try opened.store.numbers(&table) })
    let recorder = level(number - 1).recorder
    let runner = OperationRunner(recorder: recorder, table: table)
    var source = OperationSource(shape: shape, generator: SeededGenerator(seed: seed))
    for round in 0..<3 {
      let closes = round == 2
      try runner.perform(closes ? .reopen : source.write(), on: opened.store)
      var judged = -1
      for event in recorder.take() {
        switch event {
        case .begin(let operation):
          checker.begin(operation)
        case .acknowledge(let operation, let result):
          try checker.acknowledge(operation, result)
          var oracle = oracle(checker)
          oracle.isClosed = closes
          try judgeNested(image, oracle, number: number, seed: seed &+ UInt64(round))
        case .reservation: break
        case .medium(let event, let thread):
          if event.isCrashPoint, image.version != judged, !image.units.isEmpty {
            judged = image.version
            try judgeNested(image, oracle(checker), number: number, seed: seed &+ UInt64(judged))
          }
          image.apply(event, thread: thread)
        }
      }
    }
  }

  /// Only the process was killed, and the next one saw its last stores; now the power goes. What it answered stays.
  private func killThenCut(_ start: CrashImage, _ opened: Opened, _ oracle: Oracle, seed: UInt64) throws {
    var image = start
    var judged = image.version
    for case .medium(let event, let thread) in opened.recoveryEvents {
      if event.isCrashPoint, image.version != judged {
        judged = image.version
        // Nobody has had an answer yet.
        try judgeNested(image, oracle, number: 1, seed: seed &+ UInt64(judged))
      }
      image.apply(event, thread: thread)
    }
    let decided = Oracle(
      allowed: [opened.digest], inFlight: "nothing since a process was killed",
      reservations: ReservationLedger(open: opened.store.openReservations))
    try judgeNested(image, decided, number: 1, seed: seed)
  }

  /// What a crash now may leave.
  func oracle(_ checker: LinearizabilityChecker) -> Oracle {
    let allowed = table.withLock { table in Set(checker.survivors().map { table.digest($0) }) }
    return Oracle(allowed: allowed, inFlight: checker.inFlight)
  }
}

extension MediumEvent {
  /// Whether the power is cut before it: a fence, a barrier, a read-back.
  var isCrashPoint: Bool {
    switch self {
    case .fence, .barrier, .readBack, .statusRead, .dmaDone: true
    case .store, .streamingStore, .flush, .dma, .peerRead, .evict: false
    }
  }
}

extension Store {
  /// Ends the store as a power cut does: nothing more is written.
  func abandon() {
    _ = lifecycle.close()
  }

  /// The value of each of the table's keys, by number.
  func numbers(_ table: inout ValueTable) throws(StoreError) -> [Int] {
    var result: [Int] = []
    for key in table.keys {
      let value = try get(key)
      result.append(value.map { table.number(of: $0) } ?? -1)
    }
    return result
  }
}
