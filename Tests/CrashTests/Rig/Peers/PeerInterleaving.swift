import Synchronization

@testable import BarKV

/// One random interleaving of what an owner does and what devices do at the same time: reservations, pieces that arrive late,
/// twice and in any order, commits, abandonments, leases, overwrites, deletes, compaction, kills and power cuts.
///
/// One thread carries all of it out, so that a seed gives the same again. After each step what readers see has to be what
/// was acknowledged; after each cut that, or it with the whole operation that was in flight.
final class PeerInterleaving: @unchecked Sendable {
  // One thread uses it: what is called back is called back by that thread's own calls.

  /// What was done.
  struct Count: Sendable {
    var steps = 0
    var reservations = 0
    var pieces = 0
    var late = 0
    var repeated = 0
    var commits = 0
    var refusedCommits = 0
    var abandoned = 0
    var leases = 0
    var kills = 0
    var cuts = 0
    var quarantined = 0

    mutating func add(_ other: Count) {
      steps += other.steps
      reservations += other.reservations
      pieces += other.pieces
      late += other.late
      repeated += other.repeated
      commits += other.commits
      refusedCommits += other.refusedCommits
      abandoned += other.abandoned
      leases += other.leases
      kills += other.kills
      cuts += other.cuts
      quarantined += other.quarantined
    }
  }

  /// What an owner has been told.
  struct Model: Equatable {
    var values: [Int: [UInt8]] = [:]
    var open: Set<UInt64> = []
  }

  /// A lease with the bytes that it must keep.
  final class Held {
    let lease: ValueLease
    let bytes: [UInt8]

    init(_ lease: consuming ValueLease, bytes: [UInt8]) {
      self.lease = lease
      self.bytes = bytes
    }
  }

  let seed: UInt64
  let model: PersistenceModel
  private(set) var count = Count()
  var generator: SeededGenerator
  let shape: Shape
  /// How often the machine was started.
  private var boot: UInt64 = 1
  private var recorder = EventRecorder()
  private(set) var device: PeerDevice
  private var live: ImageBuffer
  private var image: CrashImage
  private(set) var store: Store
  var known = Model()
  /// What devices were told to write, by the reservation's generation.
  var transfers: [UInt64: PeerTransfer] = [:]
  var held: [Held] = []
  private var log: [String] = []
  private var serial: UInt8 = 0

  init(seed: UInt64) throws {
    self.seed = seed
    generator = SeededGenerator(seed: seed)
    model = PersistenceModel.allCases[Int(seed % UInt64(PersistenceModel.allCases.count))]
    var shape = [
      Shape(size: 32 << 10, segment: 2 << 10, keys: 5), Shape(size: 64 << 10, segment: 2 << 10, keys: 6),
      Shape(size: 64 << 10, segment: 4 << 10, keys: 6),
    ][Int.random(in: 0..<3, using: &generator)]
    shape.replay = [2 << 10, 4 << 10, 16 << 20][Int.random(in: 0..<3, using: &generator)]
    self.shape = shape
    device = PeerDevice(recorder: recorder)
    live = ImageBuffer(count: shape.size)
    image = CrashImage(model: model, base: ImageBuffer(count: shape.size))
    let superblock = Superblock(
      geometry: try Geometry(regionBytes: shape.size, segmentSize: shape.segment),
      incompatibleFeatures: seed % 2 == 0 ? Superblock.frontiers : 0, seed: generator.next(),
      identifier: (generator.next(), generator.next()), created: 0)
    store = try Store.create(
      on: live.medium(for: model, observer: recorder), geometry: superblock.geometry, path: "memory",
      options: Self.options(shape, boot: 1), superblock: superblock)
    for case .medium(let event, let thread) in recorder.take() { image.apply(event, thread: thread) }
  }

  private static func options(_ shape: Shape, boot: UInt64) -> StoreOptions {
    var options = shape.options
    options.bootIdentity = boot
    return options
  }

  /// - Throws: ``RigFailure`` for what is not right.
  func run(steps: Int) throws {
    defer { end() }
    do {
      for _ in 0..<steps {
        count.steps += 1
        try step()
        try check()
      }
      try checkAll()
    } catch let error where !(error is RigFailure) {
      throw failure("\(error)")
    }
  }

  private func end() {
    held = []
    store.abandon()
    count.pieces += device.pieces
  }

  func failure(_ description: String) -> RigFailure {
    RigFailure(
      description: "\(description); model \(model.rawValue), after \(log.suffix(12).joined(separator: ", "))",
      image: live.array, oracle: Oracle(allowed: []))
  }

  // MARK: Steps

  func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
  func chance(_ count: Int, in all: Int) -> Bool { number(in: 0...all - 1) < count }
  func key() -> Int { number(in: 0...shape.keys - 1) }
  func name(_ key: Int) -> [UInt8] { shape.keyNames[key] }

  func value() -> [UInt8] {
    serial &+= 1
    let length = chance(1, in: 3) ? number(in: 500...1700) : number(in: 1...120)
    let pattern = UInt8(number(in: 0...2)) &* 85
    var bytes = (0..<length).map { pattern &+ UInt8(truncatingIfNeeded: $0 / 3) }
    bytes[number(in: 0...length - 1)] = serial
    return bytes
  }

  func note(_ text: String) { log.append(text) }

  /// Changes what is known, once it was answered.
  func learn(_ change: (inout Model) -> Void) { change(&known) }

  private func step() throws {
    let (before, told) = (known, transfers)
    try act()
    let events = recorder.take()
    // The power goes, or the process, somewhere in the middle of that or right behind it.
    if chance(1, in: 9) { return try crash(events, before: before, told: told) }
    apply(events[...])
  }

  private func act() throws {
    switch number(in: 0...19) {
    case 0...3: try put()
    case 4: try delete()
    case 5...7: try reserve()
    case 8...10: try deliver()
    case 11...14: try commit()
    case 15: try abandon()
    case 16: try lease()
    case 17: releaseLease()
    case 18:
      note("compact")
      try refusing { () throws(StoreError) in try store.compact() }
    default:
      note("checkpoint")
      try refusing { () throws(StoreError) in try store.checkpoint() }
    }
  }

  /// Runs `body`; whether it was not refused for want of room.
  @discardableResult
  func refusing(_ body: () throws(StoreError) -> Void) throws -> Bool {
    do throws(StoreError) {
      try body()
      return true
    } catch {
      switch error {
      case .full, .tooManyReservations, .valueTooLarge: return false
      default: throw error
      }
    }
  }

  private func put() throws {
    let (key, value) = (key(), value())
    note("put \(key) \(value.count)")
    if try refusing({ () throws(StoreError) in try store.put(value, for: name(key)) }) { known.values[key] = value }
  }

  private func delete() throws {
    let key = key()
    note("delete \(key)")
    if try refusing({ () throws(StoreError) in try store.delete(name(key)) }) { known.values[key] = nil }
  }

  private func reserve() throws {
    let key = key()
    var bytes = value()
    let hasTrailer = bytes.count >= 16 && chance(1, in: 3)
    if hasTrailer { bytes[bytes.count - 1] |= 0x80 }
    note("reserve \(key) \(bytes.count)")
    try refusing { () throws(StoreError) in
      let reservation = try store.reserve(bytes.count, for: name(key), alignment: lineSize)
      let generation = reservation.token.generation
      known.open.insert(generation)
      transfers[generation] = PeerTransfer(
        reservation, key: key, bytes: bytes, isOrdered: hasTrailer, using: &generator)
      count.reservations += 1
    }
  }

  /// Some pieces of some transfers arrive, those of several devices mixed up; one now and then a second time.
  private func deliver() throws {
    for _ in 0..<number(in: 1...6) {
      guard let generation = anyTransfer(), var transfer = transfers[generation] else { return }
      let arrived = transfer.pieces.count - transfer.remaining.count
      if arrived > 0, chance(1, in: 5) {
        note("again")
        device.deliver(transfer.pieces[number(in: 0...arrived - 1)], of: transfer, to: store)
        count.repeated += 1
      } else if !transfer.remaining.isEmpty {
        note("piece")
        device.deliver(transfer.remaining.removeFirst(), of: transfer, to: store)
        transfers[generation] = transfer
      }
    }
  }

  /// Has what is left of a transfer arrive while the store looks for it, and not at its first look.
  func deliverLate(_ generation: UInt64) {
    count.late += 1
    let looks = number(in: 2...4)
    let seen = Locked(0)
    recorder.look.set { [unowned self] in
      let look = seen.withLock { look in
        look += 1
        return look
      }
      if look < looks { deliverOne(generation) } else { finish(generation) }
    }
  }

  private func deliverOne(_ generation: UInt64) {
    guard var transfer = transfers[generation], !transfer.remaining.isEmpty else { return }
    device.deliver(transfer.remaining.removeFirst(), of: transfer, to: store)
    transfers[generation] = transfer
  }

  /// All that is left of a transfer arrives.
  func finish(_ generation: UInt64) {
    guard var transfer = transfers[generation], !transfer.isComplete else { return }
    device.finish(&transfer, to: store)
    transfers[generation] = transfer
  }

  /// Nothing arrives any more while the store looks.
  func silence() { recorder.look.set {} }

  func countCommit() { count.commits += 1 }
  func countRefusal() { count.refusedCommits += 1 }

  private func anyTransfer() -> UInt64? { transfers.keys.sorted().randomElement(using: &generator) }

  private func abandon() throws {
    guard let generation = anyTransfer(), let transfer = transfers[generation] else { return }
    note("abandon")
    // The device was reset: nothing more comes.
    let isDone = try refusing { () throws(StoreError) in try store.abandon(transfer.token) }
    guard isDone else { return }
    ended(generation)
    count.abandoned += 1
    try expectGone(transfer.token)
  }

  /// A token is good once.
  func expectGone(_ token: ReservationToken) throws {
    do throws(StoreError) { try store.abandon(token) } catch {
      if case .noSuchReservation = error { return }
      throw failure("an old token gives \(error)")
    }
    throw failure("an old token was taken")
  }

  func ended(_ generation: UInt64) {
    known.open.remove(generation)
    transfers[generation] = nil
  }

  private func lease() throws {
    let key = key()
    note("lease \(key)")
    guard let bytes = known.values[key] else {
      if try store.lease(name(key)) != nil { throw failure("a lease of what is absent") }
      return
    }
    guard held.count < 2 else { return }
    guard let lease = try store.lease(name(key)) else { throw failure("no lease of what is there") }
    held.append(Held(lease, bytes: bytes))
    count.leases += 1
  }

  private func releaseLease() {
    guard !held.isEmpty else { return }
    note("release")
    held.remove(at: number(in: 0...held.count - 1))
  }

  // MARK: Ends

  private func apply(_ events: ArraySlice<RunEvent>) {
    for case .medium(let event, let thread) in events { image.apply(event, thread: thread) }
  }

  /// Ends the owner after some of the events, by a kill or with the power, and goes on with the next.
  ///
  /// - Parameter told: what the devices had been told before.
  private func crash(_ events: [RunEvent], before: Model, told: [UInt64: PeerTransfer]) throws {
    let cut = chance(1, in: 4) ? events.count : number(in: 0...events.count)
    apply(events[..<cut])
    let isKill = chance(1, in: 4)
    note(isKill ? "KILL" : "CUT")
    held = []
    store.abandon()
    var states = StateEnumerator(image, seed: generator.next())
    let survives = isKill ? states.all : states.states(limit: 1).first ?? states.none
    let left = ImageBuffer(count: shape.size)
    _ = image.write(survives, to: left) { _, _ in }
    if isKill {
      count.kills += 1
      image = image.afterKill(survives)
    } else {
      count.cuts += 1
      boot += 1
      let base = ImageBuffer(count: shape.size)
      base.copy(from: left)
      image = CrashImage(model: model, base: base)
    }
    live = left
    recorder = EventRecorder()
    let pieces = device.pieces
    device = PeerDevice(recorder: recorder)
    count.pieces += pieces
    store = try Recovery.open(
      live.medium(for: model, observer: recorder), path: "memory", access: .readWrite,
      options: Self.options(shape, boot: boot))
    guard store.recovery.damageCount == 0 else { throw failure("the cut looks like damage: \(store.recovery.damage)") }
    apply(recorder.take()[...])
    let after = known
    let found = try state()
    guard found == after || (cut < events.count && found == before) else {
      throw failure("\(describe(found)) after a cut, neither \(describe(before)) nor \(describe(after))")
    }
    known = found
    count.quarantined += found.open.count
    // The devices go on with what they were told. Nobody knows which pieces of the last step arrived before a kill; a power
    // cut may have taken any, which have to be sent again before anybody can commit.
    transfers = told.merging(transfers) { before, _ in before }.filter { found.open.contains($0.key) }
    if !isKill {
      for (generation, transfer) in transfers {
        transfers[generation]?.remaining = transfer.remaining + transfer.pieces
      }
    }
    for generation in found.open where transfers[generation] == nil {
      throw failure("a reservation that nobody made: \(generation)")
    }
    try checkAll()
  }
}
