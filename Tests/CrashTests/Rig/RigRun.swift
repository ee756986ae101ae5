@testable import BarKV

/// One workload on one medium: carried out, recorded, cut at every point, judged.
final class RigRun {
  let seed: UInt64
  let model: PersistenceModel
  let workload: Workload
  let judge: Judge
  private let table: Locked<ValueTable>
  private let recorder: EventRecorder
  private let runner: OperationRunner
  private let live: ImageBuffer
  private var image: CrashImage
  private var checker: LinearizabilityChecker?
  private var judged = -1
  /// The number of a close that was begun last; and whether it was answered, and nothing has happened since.
  private var closing = -1
  private var isClosed = false
  private var reservations = ReservationLedger()

  init(
    seed: UInt64, model: PersistenceModel, workload: Workload, effort: Judge.Effort, checkLoads: Bool = false,
    tick: @escaping (Int) throws(RigStop) -> Void = { (_) throws(RigStop) in }
  ) {
    self.seed = seed
    self.model = model
    self.workload = workload
    let shape = workload.shape
    table = Locked(ValueTable(keys: shape.keyNames))
    recorder = EventRecorder(jitter: workload.isConcurrent ? Jitter(seed: seed) : nil)
    runner = OperationRunner(recorder: recorder, table: table)
    judge = Judge(model: model, shape: shape, table: table, effort: effort, checkLoads: checkLoads, tick: tick)
    live = ImageBuffer(count: shape.size)
    image = CrashImage(model: model, base: ImageBuffer(count: shape.size))
  }

  /// - Throws: ``RigFailure`` for a state that is not right; ``RigStop``.
  func run() throws {
    do {
      var store = try create()
      defer { store.abandon() }
      for phase in workload.phases {
        switch phase {
        case .alone(let operations):
          for operation in operations { try perform(operation, &store) }
        case .together(let threads):
          try together(threads, store)
        }
        try compare(store)
      }
      try checkReplay()
      let report = try store.verify()
      guard report.isSound else { throw failure("verify: \(report.damage)") }
    } catch let error where !(error is RigFailure) && !(error is RigStop) {
      throw failure("\(error)")
    }
  }

  private func failure(_ description: String) -> RigFailure {
    RigFailure(description: description, image: live.array, oracle: Oracle(allowed: []))
  }

  // MARK: Carrying out

  private func medium() throws(StoreError) -> Medium {
    try live.medium(
      for: model, sharesBarriers: workload.shape.sharesBarriers || model == .file,
      observer: recorder)
  }

  private func create() throws -> Store {
    let shape = workload.shape
    let geometry = try Geometry(regionBytes: shape.size, segmentSize: shape.segment)
    var generator = SeededGenerator(seed: seed ^ 0x0053_7570_6572)
    // The store's own random numbers too come from the seed.
    let superblock = Superblock(
      geometry: geometry, incompatibleFeatures: shape.hasFrontiers ? Superblock.frontiers : 0, seed: generator.next(),
      identifier: (generator.next(), generator.next()), created: 0)
    let store = try Store.create(
      on: medium(), geometry: geometry, path: "memory", options: shape.options, superblock: superblock)
    try process(recorder.take())
    checker = LinearizabilityChecker(values: Array(repeating: -1, count: shape.keys))
    try judgeNow()
    return store
  }

  private func perform(_ operation: Operation, _ store: inout Store) throws {
    try runner.perform(operation, on: store)
    try process(recorder.take())
    switch operation {
    case .reopen:
      // Where the store was too full for what was deferred, it is not closed, and that is lost.
      let isClosed = !(checker?.hasDeferred ?? false)
      checker?.forgetDeferred()
      try open(&store)
      guard store.recovery.wasClosed == isClosed else { throw failure("after a close: \(store.recovery)") }
    case .restart:
      // What is deferred may have been persisted on behalf of a write that was refused then: what is visible says so.
      try compare(store)
      store.abandon()
      checker?.forgetDeferred()
      try open(&store)
    default:
      break
    }
  }

  private func open(_ store: inout Store) throws {
    store = try Recovery.open(medium(), path: "memory", access: .readWrite, options: workload.shape.options)
    guard store.recovery.damageCount == 0 else { throw failure("damage without a cut: \(store.recovery.damage)") }
    if let fault = reservations.fault(store.openReservations) { throw failure("without a cut: \(fault)") }
    try process(recorder.take())
    try compare(store)
    try judgeNow()
  }

  private func together(_ threads: [[Operation]], _ store: Store) throws {
    let errors = Locked<[StoreError]>([])
    let running = threads.compactMap { operations in
      Thread { [runner] in
        do throws(StoreError) {
          for operation in operations { try runner.perform(operation, on: store) }
        } catch {
          errors.withLock { $0.append(error) }
        }
      }
    }
    for thread in running { thread.join() }
    guard running.count == threads.count else { throw failure("no thread to be had") }
    if let error = errors.withLock({ $0.first }) { throw error }
    try process(recorder.take())
  }

  // MARK: Judging

  private func process(_ events: [RunEvent]) throws {
    for event in events {
      switch event {
      case .begin(let operation):
        checker?.begin(operation)
        closing = operation.closes ? operation.number : -1
      case .acknowledge(let operation, let result):
        try checker?.acknowledge(operation, result)
        isClosed = operation == closing && result == .done
        try judgeNow()
      case .reservation(let event):
        reservations.note(event)
        // What was answered holds from here on.
        if case .reserved = event { try judgeNow() }
        if case .ended = event { try judgeNow() }
      case .medium(let event, let thread):
        isClosed = false
        if event.isCrashPoint, image.version != judged { try judgeNow() }
        image.apply(event, thread: thread)
      }
    }
  }

  private func judgeNow() throws {
    judged = image.version
    var oracle = checker.map { judge.oracle($0) } ?? Oracle(allowed: [0], mayBeMissing: true, inFlight: "create")
    oracle.isClosed = isClosed
    oracle.reservations = reservations
    try judge.judge(image, oracle: oracle, seed: seed &+ UInt64(image.version) &* 0x9E37_79B9)
  }

  /// What readers see now is one of the things that the history leads to.
  private func compare(_ store: Store) throws {
    let values = try table.withLock { (table) throws(StoreError) in try store.numbers(&table) }
    try checker?.observe(values)
    guard store.count == values.count(where: { $0 >= 0 }) else { throw failure("keys that nobody put") }
  }

  /// Whatever reached the region went through the recorder.
  private func checkReplay() throws {
    guard Self.replays(image, to: live) else { throw failure("the events do not give the region's bytes") }
  }

  /// Whether the recorded events give exactly these bytes.
  static func replays(_ image: CrashImage, to live: ImageBuffer) -> Bool {
    let replayed = ImageBuffer(count: live.count)
    _ = image.write(Array(repeating: true, count: image.units.count), to: replayed) { _, _ in }
    return replayed.equals(live)
  }
}
