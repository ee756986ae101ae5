import ArgumentParser
import BarKV

/// `kvcli probe`: says what a store's place is, and measures what it costs.
struct ProbeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe",
    abstract: "Show how a store is mapped and made durable, and measure what that costs here.",
    discussion: """
      Opens the store for writing, and writes only what is there already. The figures are those of this machine at this \
      moment; the verdict on durability is what is known of the medium, and nothing that could be measured.
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var report: ReportOptions

  func run() throws {
    try target.withStore(.readWrite) { store in
      let found = try store.probe()
      try Console.report(asJSON: report.json) {
        json(found)
      } text: {
        text(found)
      }
    }
  }

  /// The report for programs.
  private func json(_ found: ProbeReport) -> JSON {
    .object([
      ("store", .string(target.store.description)),
      (
        "mapping",
        .array(
          found.parts.map { part in
            .object([
              ("offset", .integer(part.range.lowerBound)), ("bytes", .integer(part.range.count)),
              ("memoryType", .string(part.memoryType.rawValue)), ("verified", .boolean(part.isVerified)),
            ])
          })
      ),
      ("domain", .string(found.persistence.domain.rawValue)),
      ("level", .string(found.persistence.level.rawValue)),
      ("reason", .string(found.persistence.reason)),
      ("region", found.region.map(Self.json) ?? .null),
      ("barrier", Self.json(found.barrier)),
      ("lineAndBarrier", Self.json(found.lineAndBarrier)),
      ("storedBytesPerSecond", .number(found.storedBytesPerSecond)),
      ("readBytesPerSecond", .number(found.readBytesPerSecond)),
      ("verdict", .string(found.persistence.verdict)),
    ])
  }

  private static func json(_ latency: ProbeReport.Latency) -> JSON {
    .object([
      ("count", .integer(latency.count)), ("medianNanoseconds", .count(latency.median)),
      ("percentile99Nanoseconds", .count(latency.percentile99)), ("maximumNanoseconds", .count(latency.maximum)),
    ])
  }

  private static func json(_ region: PersistentMemoryRegion) -> JSON {
    .object([
      ("capabilities", .count(UInt64(region.capabilities))), ("control", .count(UInt64(region.control))),
      ("status", .count(UInt64(region.status))), ("statusReadIsBarrier", .boolean(region.statusReadIsBarrier)),
      ("memoryReadIsBarrier", .boolean(region.memoryReadIsBarrier)), ("ready", .boolean(region.isReady)),
      ("errorCode", .integer(region.errorCode)), ("health", region.health.map { .string("\($0)") } ?? .null),
    ])
  }

  /// The report for people.
  private func text(_ found: ProbeReport) -> String {
    var rows: [(name: String, figure: String)] = [("store", target.store.path)]
    for part in found.parts {
      let proof = part.isVerified ? ", as the kernel's list says" : ""
      rows.append(
        (
          "mapping",
          "\(Figures.bytes(part.range.count)) at \(part.range.lowerBound): \(Self.words(part.memoryType))\(proof)"
        ))
    }
    rows.append(("domain", found.persistence.domain.rawValue))
    rows.append(("level", found.persistence.level.rawValue))
    rows.append(("reason", found.persistence.reason))
    if let region = found.region {
      let health = region.health.map { "\($0)" } ?? "unknown"
      rows.append(
        ("region", "\(region.isReady ? "ready" : "not ready"), health \(health), error \(region.errorCode)"))
    }
    rows.append(("barrier", Self.words(found.barrier)))
    rows.append(("line stored", "\(Self.words(found.lineAndBarrier)), its barrier included"))
    rows.append(("stores", "\(Figures.bytes(UInt64(found.storedBytesPerSecond)))/s, with barriers"))
    rows.append(("reads", "\(Figures.bytes(UInt64(found.readBytesPerSecond)))/s, from the mapping"))
    rows.append(("verdict", found.persistence.verdict))
    return Figures.table(rows)
  }

  private static func words(_ latency: ProbeReport.Latency) -> String {
    "\(Figures.duration(nanoseconds: Double(latency.median))) median, "
      + "\(Figures.duration(nanoseconds: Double(latency.percentile99))) 99 %, "
      + "\(Figures.duration(nanoseconds: Double(latency.maximum))) longest of \(Figures.grouped(latency.count))"
  }

  private static func words(_ type: MemoryType) -> String {
    switch type {
    case .uncached: "uncached"
    case .writeCombining: "write-combining"
    case .writeThrough: "write-through"
    case .writeBack: "write-back"
    }
  }
}
