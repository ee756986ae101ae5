import Testing

@testable import BarKV

/// A small share of the rig, and what holds of the rig itself. `make test` runs a large one, optimised.
@Suite struct RigTests {
  @Test(arguments: PersistenceModel.allCases) func aSampleIsRight(_ model: PersistenceModel) {
    var settings = Rig.Settings()
    settings.seed = baseSeed
    settings.models = [model]
    settings.states = 600
    settings.workers = 1
    settings.effort = Self.littleEffort(statesPerPoint: 24)
    settings.directory = temporaryDirectory
    let report = Rig(settings).run()
    print("\(model.rawValue): \(report.states) states, \(report.nested) later cuts, BARKV_SEED=\(baseSeed)")
    #expect(report.states > 0)
    for failure in report.failures {
      Issue.record("BARKV_SEED=\(baseSeed), \(failure.image): \(failure.description); \(failure.workload)")
    }
  }

  /// What is left out because recovery loads nothing of it must be right as well.
  @Test func statesThatAreAlikeAreRight() throws {
    var alike = 0
    // Of small stores: each state of these is judged with all its loads looked at, by code that is not optimised.
    for number in Self.numbersOfSmallStores(3, base: baseSeed) {
      let seed = Rig.seed(of: number, base: baseSeed)
      let effort = Self.littleEffort(statesPerPoint: 12)
      let model = PersistenceModel.allCases[number % PersistenceModel.allCases.count]
      let run = RigRun(
        seed: seed, model: model, workload: Workload.random(seed: seed), effort: effort, checkLoads: true)
      do { try run.run() } catch { Issue.record("BARKV_SEED=\(baseSeed), run \(number), \(model.rawValue): \(error)") }
      alike += run.judge.count.alike
    }
    #expect(alike > 0)
  }

  /// What is left of later cuts is much too much for code that is not optimised.
  private static func littleEffort(statesPerPoint: Int) -> Judge.Effort {
    var effort = Judge.Effort()
    effort.statesPerPoint = statesPerPoint
    effort.nestedStatesPerPoint = 1
    effort.deepShare = 256
    return effort
  }

  /// The first runs whose store has few keys.
  private static func numbersOfSmallStores(_ count: Int, base: UInt64) -> [Int] {
    var numbers: [Int] = []
    var number = 0
    while numbers.count < count {
      if Workload.random(seed: Rig.seed(of: number, base: base)).shape.keys < 40 { numbers.append(number) }
      number += 1
    }
    return numbers
  }

  @Test func oneThreadsRunsRepeat() throws {
    func counts() -> [Int] {
      let effort = Self.littleEffort(statesPerPoint: 8)
      return Self.numbersOfSmallStores(2, base: 77).map { number in
        let seed = Rig.seed(of: number, base: 77)
        var workload = Workload.random(seed: seed)
        workload.phases = workload.phases.filter { if case .alone = $0 { true } else { false } }
        let run = RigRun(seed: seed, model: .relaxed, workload: workload, effort: effort)
        do { try run.run() } catch { Issue.record("run \(number): \(error)") }
        return run.judge.count.states &* 1_000_003 &+ run.judge.count.nested
      }
    }
    #expect(counts() == counts())
  }

  /// A store that wrote past the medium's one layer would be found.
  @Test func aBypassIsSeen() throws {
    var recording = try Recording(size: 8 << 10)
    let store = try Store.create(
      on: recording.medium(), geometry: Geometry(regionBytes: 8 << 10, segmentSize: 1 << 10), path: "memory",
      options: StoreOptions())
    try store.put([1], for: "key")
    store.abandon()
    recording.apply()
    #expect(RigRun.replays(recording.image, to: recording.live))
    recording.live.setUnit(1, at: 8128, granule: 8)
    #expect(!RigRun.replays(recording.image, to: recording.live))
  }

  /// An oracle that allows the wrong thing only must make runs fail, be written out, and shrink.
  @Test func aFailureIsKeptAndShrunk() throws {
    let workload = Workload.random(seed: 12)
    let failure = RigFailure(
      description: "made up", image: [1, 2, 3], oracle: Oracle(allowed: [5], mayBeMissing: true))
    let deletes: (Operation) -> Bool = { if case .delete = $0 { true } else { false } }
    var long = workload
    long.phases = [
      .alone([.put(key: 0, value: [1]), .delete(key: 0), .read(key: 1)]),
      .together([[.delete(key: 1)], [.read(key: 0)]]),
    ]
    let shrinker = Shrinker { candidate in
      let count = candidate.phases.reduce(0) { sum, phase in
        switch phase {
        case .alone(let operations): sum + operations.count(where: deletes)
        case .together(let threads): sum + threads.joined().count(where: deletes)
        }
      }
      return count >= 2 ? failure : nil
    }
    let (smallest, _) = shrinker.shrink(long, failure)
    #expect(smallest.phases == [.alone([.delete(key: 0)]), .together([[.delete(key: 1)]])])

    let keeper = FailureKeeper(directory: temporaryDirectory)
    let path = try keeper.keep(failure, name: "crash-test-\(baseSeed)", about: "two\nlines")
    let (image, oracle) = try FailureKeeper.read(path)
    #expect(image == [1, 2, 3])
    #expect(oracle?.allowed == [5])
    #expect(oracle?.mayBeMissing == true)
    removeFile(path)
    removeFile(path + ".oracle")
  }

  /// A store whose acknowledged record is taken away is not judged right.
  @Test func aLostWriteIsFound() throws {
    let table = Locked(ValueTable(keys: [Array("key".utf8)]))
    let shape = Shape(size: 8 << 10, segment: 1 << 10, keys: 1)
    var recording = try Recording(size: shape.size)
    let store = try Store.create(
      on: recording.medium(), geometry: Geometry(regionBytes: shape.size, segmentSize: 1 << 10), path: "memory",
      options: StoreOptions())
    recording.apply()
    try store.put([1], for: "key")
    store.abandon()
    // As if the barrier had been left out.
    recording.apply(upToFence: true)
    var checker = LinearizabilityChecker(values: [-1])
    let value = table.withLock { $0.number(of: [1]) }
    checker.begin(TrackedOperation(number: 0, kind: .single, steps: [.set(key: 0, value: value)], label: "put"))
    let judge = Judge(model: .writeBack, shape: shape, table: table, effort: Judge.Effort())
    try judge.judge(recording.image, oracle: judge.oracle(checker), seed: 1)
    try checker.acknowledge(0, .done)
    #expect(throws: RigFailure.self) { try judge.judge(recording.image, oracle: judge.oracle(checker), seed: 1) }
  }
}
