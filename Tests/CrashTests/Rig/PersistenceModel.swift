@testable import BarKV

/// A unit that was stored and that a power cut may still take: the medium's granule, 8 bytes or 4.
struct PendingUnit {
  var offset: Int
  var value: UInt64
  /// The thread that stored it.
  var thread: Int
  /// Whether that thread has fenced since: the store has left the processor.
  var isFenced = false
  /// Whether it went past the cache.
  var isStreamed: Bool
  /// The thread that wrote its line back, and has not fenced since; -1 for none.
  var flushedBy = -1
  /// The number of the thread's fences before it.
  var group: Int

  var line: Int { offset / lineSize }
}

/// Which pending units may survive a power cut together.
///
/// Each lane is independent of the others. Within a lane a stage holds nothing unless all stages before it are complete;
/// within a stage the chains are independent, and of each chain a prefix survives. The numbers are those of the units.
struct SurvivalSpace {
  typealias Chain = [Int]
  typealias Stage = [Chain]
  typealias Lane = [Stage]
  var lanes: [Lane]
}

/// What an event does on a medium, and what a power cut leaves there.
protocol PersistenceRules {
  /// How the store writes on such a medium.
  static var domain: PersistenceDomain { get }
  /// How many of a region's first bytes are mapped uncached, and so written word by word, not line by line.
  static func uncachedBytes(of regionBytes: Int) -> Int
  /// Enters `event`, made by `thread`, into the image.
  static func apply(_ event: MediumEvent, thread: Int, to image: inout CrashImage)
  /// Which units may survive together.
  static func space(of units: [PendingUnit]) -> SurvivalSpace
}

/// The persistence models: what a medium keeps of what was stored, each with a granule.
enum PersistenceModel: String, CaseIterable, Sendable {
  case writeBack = "wb"
  case writeCombining = "wc"
  case uncached = "uc"
  case relaxed
  case statusRead = "pmr"
  case regionRead = "pmrm"
  case file
  case writeBack4 = "wb4"
  case writeCombining4 = "wc4"
  case uncached4 = "uc4"
  case relaxed4

  var rules: any PersistenceRules.Type {
    switch self {
    case .writeBack, .writeBack4: WriteBackRules.self
    case .writeCombining, .writeCombining4: WriteCombiningRules.self
    case .uncached, .uncached4: UncachedRules.self
    case .relaxed, .relaxed4: RelaxedRules.self
    case .statusRead: StatusReadRules.self
    case .regionRead: RegionReadRules.self
    case .file: FileRules.self
    }
  }

  /// How many bytes move as one.
  var granule: Int {
    switch self {
    case .writeBack, .writeCombining, .uncached, .relaxed, .statusRead, .regionRead, .file: 8
    case .writeBack4, .writeCombining4, .uncached4, .relaxed4: 4
    }
  }

  /// What the model stands for, in words for a person.
  var summary: String {
    let medium =
      switch self {
      case .writeBack, .writeBack4: "write-back DAX"
      case .writeCombining, .writeCombining4: "write-combining BAR"
      case .uncached, .uncached4: "uncached BAR"
      case .relaxed, .relaxed4: "relaxed BAR"
      case .statusRead: "PMR, PMRSTS read"
      case .regionRead: "PMR, memory read"
      case .file: "file behind msync"
      }
    return "\(medium), units of \(granule) bytes"
  }
}

extension PersistenceRules {
  /// As a BAR is mapped that has a file for write combining, with a page cut down to the size of the rig's regions.
  static func uncachedBytes(of regionBytes: Int) -> Int {
    domain.isBehindBus ? min(regionBytes / 4, MappedBar.controlBytes) : 0
  }

  /// Chains of units that are independent, but for those with the same place: of these a later one hides the earlier.
  static func independent(_ numbers: some Sequence<Int>, _ units: [PendingUnit]) -> SurvivalSpace.Stage {
    var chainOfOffset: [Int: Int] = [:]
    var chains: SurvivalSpace.Stage = []
    for number in numbers {
      if let chain = chainOfOffset[units[number].offset] {
        chains[chain].append(number)
      } else {
        chainOfOffset[units[number].offset] = chains.count
        chains.append([number])
      }
    }
    return chains
  }
}
