import CRawLoops

/// Measures all subjects in turn, again and again, so that what disturbs the machine disturbs all of them.
struct Runner {
  let configuration: Configuration
  /// A `kvcli` whose own benchmark is measured beside the others.
  let kvcli: KvcliBench?
  /// Told what is being measured.
  let progress: (String) -> Void
  /// The order of gets, overwrites and deletes, for all subjects.
  private let order: [UInt32]
  /// What was measured so far.
  private(set) var samples = Samples()
  /// How the store makes its writes durable, in words.
  private(set) var persistence = ""

  /// Prepares a run.
  init(_ configuration: Configuration, kvcli: KvcliBench?, progress: @escaping (String) -> Void) {
    self.configuration = configuration
    self.kvcli = kvcli
    self.progress = progress
    order = unsafe [UInt32](unsafeUninitializedCapacity: configuration.records) { buffer, count in
      unsafe crl_permutation(buffer.baseAddress, configuration.records, 0x5eed)
      count = configuration.records
    }
  }

  /// Measures everything once. Who goes first alternates.
  mutating func measure(round: Int) throws {
    let storeFirst = !round.isMultiple(of: 2)
    progress("raw loops")
    try measureRaw()
    if configuration.works.contains(where: { $0 != .batch && $0 != .deferred }) {
      progress("puts, gets, overwrites, deletes")
      try measureSingles(storeFirst: storeFirst)
    }
    progress("groups of \(Configuration.group)")
    try measureGroups(storeFirst: storeFirst)
    if configuration.threads > 1 {
      progress("\(configuration.threads) threads")
      try measureThreads()
    }
    if let kvcli {
      progress("kvcli bench")
      for (work, nanoseconds) in try kvcli.measure(configuration) {
        samples.add(nanoseconds, subject: .kvcli, work: work)
      }
    }
  }

  // MARK: Parts of a round

  private mutating func measureRaw() throws {
    for prefaulted in [true, false] {
      let region = try RawRegion(configuration, prefaulted: prefaulted)
      add(prefaulted ? .raw : .rawAllocated, .put) { configuration, _ in
        region.put(0..<configuration.records, recordBytes: configuration.recordBytes, perFence: 1)
      }
      guard prefaulted else { continue }
      for work in [Work.batch, .deferred] where configuration.measures(work) {
        add(.raw, work) { configuration, _ in
          region.put(
            0..<configuration.records, recordBytes: configuration.recordBytes, perFence: Configuration.group)
        }
      }
    }
  }

  private mutating func measureSingles(storeFirst: Bool) throws {
    let all = 0..<configuration.records
    let ceiling = try CeilingStore(configuration, writes: 2)
    let store = try StoreSubject(configuration, writes: 2)
    persistence = store.persistence
    for work in [Work.put, .get, .getMany, .miss, .overwrite, .delete]
    where configuration.measures(work) || work == .put {
      for isStore in [storeFirst, !storeFirst] {
        let subject = isStore ? Subject.barkv : .ceiling
        let answer = try add(subject, work) { configuration, order in
          switch work {
          case .put:
            if isStore { try store.put(all) } else { ceiling.put(all, perFence: 1) }
            return UInt64(configuration.records)
          case .get:
            return isStore ? try store.get(order, all, offset: 0).sum : ceiling.get(order, all, offset: 0).sum
          case .getMany:
            return isStore ? try store.getMany(order, group: Configuration.getGroup) : ceiling.getMany(order)
          case .miss:
            let offset = configuration.records
            return UInt64(
              isStore
                ? try store.get(order, all, offset: offset).found : ceiling.get(order, all, offset: offset).found)
          case .overwrite:
            if isStore { try store.overwrite(order, all) } else { return UInt64(ceiling.overwrite(order)) }
            return UInt64(configuration.records)
          case .delete:
            return UInt64(isStore ? try store.delete(order, all) : ceiling.delete(order))
          case .batch, .deferred:
            preconditionFailure("measured apart")
          }
        }
        try check(answer, subject, work)
      }
    }
    try store.close()
  }

  private mutating func measureGroups(storeFirst: Bool) throws {
    let all = 0..<configuration.records
    for work in [Work.batch, .deferred] where configuration.measures(work) {
      for isStore in [storeFirst, !storeFirst] {
        if isStore {
          let store = try StoreSubject(configuration, writes: 1)
          try add(.barkv, work) { _, _ in
            if work == .batch {
              try store.putInBatches(all, of: Configuration.group)
            } else {
              try store.putDeferred(all, group: Configuration.group)
            }
          }
          try store.close()
        } else {
          let ceiling = try CeilingStore(configuration, writes: 1)
          add(.ceiling, work) { _, _ in ceiling.put(all, perFence: Configuration.group) }
        }
      }
    }
  }

  /// What several threads do together, and next to it what one does, on fresh regions.
  private mutating func measureThreads() throws {
    let count = configuration.records
    let recordBytes = configuration.recordBytes
    for threads in [1, configuration.threads] {
      let region = try RawRegion(configuration, prefaulted: true)
      try add(.raw, .put, scaling: threads) { _, _ in
        try inShares(of: count, threads: threads) { share in
          region.put(share, recordBytes: recordBytes, perFence: 1)
          return 0
        }
      }
      let store = try StoreSubject(configuration, writes: 2)
      for work in [Work.put, .get, .overwrite, .delete] {
        let answer = try add(.barkv, work, scaling: threads) { _, order in
          try inShares(of: count, threads: threads) { share in
            switch work {
            case .put: try store.put(share)
            case .get: return try store.get(order, share, offset: 0).sum
            case .overwrite: try store.overwrite(order, share)
            default: return UInt64(try store.delete(order, share))
            }
            return UInt64(share.count)
          }
        }
        try check(answer, .barkv, work)
      }
      try store.close()
    }
    let ceiling = try CeilingStore(configuration, writes: 1)
    ceiling.put(0..<count, perFence: Configuration.group)
    for threads in [1, configuration.threads] {
      let answer = try add(.ceiling, .get, scaling: threads) { _, order in
        try inShares(of: count, threads: threads) { share in ceiling.get(order, share, offset: 0).sum }
      }
      try check(answer, .ceiling, .get)
    }
  }

  // MARK: Taking a figure

  /// Times work on all entries and keeps the figure.
  @discardableResult private mutating func add<Answer>(
    _ subject: Subject, _ work: Work, _ body: (Configuration, [UInt32]) throws -> Answer
  ) rethrows -> Answer {
    let (nanoseconds, answer) = try timed(
      entries: configuration.records, ofProcessor: configuration.takesProcessorTime
    ) { try body(configuration, order) }
    samples.add(nanoseconds, subject: subject, work: work)
    return answer
  }

  /// As the other, for the comparison of thread counts.
  @discardableResult private mutating func add<Answer>(
    _ subject: Subject, _ work: Work, scaling threads: Int, _ body: (Configuration, [UInt32]) throws -> Answer
  ) rethrows -> Answer {
    let (nanoseconds, answer) = try timed(entries: configuration.records, ofProcessor: false) {
      try body(configuration, order)
    }
    samples.add(nanoseconds, subject: subject, work: work, scaling: threads)
    return answer
  }

  /// Fails where a subject did not do the work that was timed.
  private func check(_ answer: UInt64, _ subject: Subject, _ work: Work) throws {
    let count = UInt64(configuration.records)
    let expected: UInt64 =
      switch work {
      // The sum of all numbers below the count.
      case .get, .getMany: count * (count - 1) / 2
      case .miss: 0
      case .put, .overwrite, .delete, .batch, .deferred: count
      }
    guard answer == expected else {
      throw BenchError.wrongAnswer(subject: subject, work: work, expected: expected, found: answer)
    }
  }
}
