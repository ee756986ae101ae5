/// The read that ends a barrier on a device behind a bus: of the region, and on an NVMe Persistent Memory Region of the
/// controller's status register, too.
///
/// Which of the two is the barrier is said by ``PersistenceDomain``; the other one finds out whether the device is still
/// what it was. A region that was switched off, or whose memory decoding was, reads as zeros, which a healthy status is as
/// well: so the known word is always looked at.
struct BarrierRead: Sendable {
  /// The registers that PMRSTS is one of, where the region has them.
  private let registers: RegionRegisters?
  /// The health that was reported at opening, and is no news.
  private let knownHealth: PersistentMemoryRegion.Health
  /// Whether the line that is read may be in this processor's caches: the region is mapped write-back.
  let evictsLine: Bool

  /// How much longer the read takes than it does here, where a device is simulated.
  let simulatedNanoseconds: UInt64

  /// A barrier that reads the region alone.
  init(evictsLine: Bool = false, simulatedNanoseconds: UInt64 = 0) {
    self.simulatedNanoseconds = simulatedNanoseconds
    registers = nil
    knownHealth = .normal
    self.evictsLine = evictsLine
  }

  /// A barrier on a Persistent Memory Region.
  init(_ registers: RegionRegisters, knownHealth: PersistentMemoryRegion.Health = .normal) {
    self.registers = registers
    simulatedNanoseconds = 0
    self.knownHealth = knownHealth
    evictsLine = false
  }

  /// Whether there is a status register to read.
  var hasStatus: Bool { registers != nil }

  /// The base at which the controller's own commands find the region.
  var controllerBase: UInt64? { registers?.controllerBase }

  /// What the controller's registers say now.
  var region: PersistentMemoryRegion? { registers?.region }

  /// Reads PMRSTS, behind all earlier stores and before anything later.
  ///
  /// - Returns: why the region's writes are not persistent, or `nil` where they are.
  func readStatus() -> String? {
    guard let registers else { return nil }
    let status = registers.readStatus()
    // What stands in for a page that is gone reads as zeros, as good health does.
    if registers.isLost { return "the controller's registers went away" }
    return Self.problem(status, knownHealth: knownHealth)
  }

  /// What is wrong according to PMRSTS.
  static func problem(_ word: UInt32, knownHealth: PersistentMemoryRegion.Health) -> String? {
    guard word != .max else { return "the controller answers with all ones: it is gone, or in a reset" }
    let region = PersistentMemoryRegion(capabilities: 0, control: 1, status: word, elasticityBuffer: 0, throughput: 0)
    guard region.errorCode == 0 else { return "the Persistent Memory Region reports error \(region.errorCode)" }
    guard region.isReady else { return "the Persistent Memory Region is no longer ready" }
    switch region.health {
    case .normal, knownHealth: return nil
    case .restoreError: return "the Persistent Memory Region could not restore what it held"
    case .readOnly: return "the Persistent Memory Region takes no more writes"
    case .unreliable: return "the Persistent Memory Region no longer keeps what is written"
    case nil: return "the Persistent Memory Region reports an unknown state of health"
    }
  }
}
