import ArgumentParser
import BarKV

/// `kvcli info`: shows a store's figures.
struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Show a store's size, contents and durability.",
    discussion: """
      Opens the store for reading only and changes nothing. “level” says what survives a completed put, and “reason” why \
      that much and no more is known.
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var report: ReportOptions

  func run() throws {
    try target.withStore(.readOnly) { store in
      // After a crash: waits until it is known what the log's tail replaced.
      _ = store.count
      let (statistics, recovery) = (store.statistics, store.recovery)
      try Console.report(asJSON: report.json) {
        json(statistics, recovery)
      } text: {
        text(statistics, recovery)
      }
    }
  }

  /// The report for programs.
  private func json(_ statistics: StoreStatistics, _ recovery: RecoveryReport) -> JSON {
    .object([
      ("store", .string(target.store.description)),
      ("regionBytes", .count(statistics.regionBytes)),
      ("capacityBytes", .count(statistics.capacityBytes)),
      ("liveBytes", .count(statistics.liveBytes)),
      ("deadBytes", .count(statistics.deadBytes)),
      ("freeBytes", .count(statistics.freeBytes)),
      ("reservedBytes", .count(statistics.reservedBytes)),
      ("metadataBytes", .count(statistics.metadataBytes)),
      ("usableBytes", .count(statistics.usableBytes)),
      ("largestValueBytes", statistics.largestValueBytes.map(JSON.integer) ?? .null),
      ("runBytes", .count(statistics.runBytes)),
      ("runs", .integer(statistics.runCount)),
      ("tailBytes", .count(statistics.tailBytes)),
      ("reservations", .integer(statistics.reservationCount)),
      ("quarantined", .integer(statistics.quarantinedCount)),
      ("reservationBytes", .count(statistics.reservationBytes)),
      ("oldestReservationSeconds", statistics.oldestReservationSeconds.map(JSON.count) ?? .null),
      ("leases", .integer(statistics.leaseCount)),
      ("leaseBytes", .count(statistics.leaseBytes)),
      ("oldestLeaseSeconds", statistics.oldestLeaseSeconds.map(JSON.count) ?? .null),
      ("keys", .integer(statistics.keyCount)),
      ("segmentBytes", .integer(statistics.segmentBytes)),
      ("segments", .integer(statistics.segmentCount)),
      ("freeSegments", .integer(statistics.freeSegmentCount)),
      ("lanes", .integer(statistics.laneCount)),
      ("sequence", .count(statistics.sequence)),
      ("ownerEpoch", .count(statistics.ownerEpoch)),
      ("indexBytes", .count(statistics.indexBytes)),
      ("residentIndexBytes", .count(statistics.residentIndexBytes)),
      ("domain", .string(statistics.persistence.domain.rawValue)),
      ("level", .string(statistics.persistence.level.rawValue)),
      ("reason", .string(statistics.persistence.reason)),
      ("mirror", statistics.mirror.map(Self.json) ?? .null),
      (
        "recovery",
        .object([
          ("wasClosed", .boolean(recovery.wasClosed)),
          ("seconds", .number(Double(recovery.nanoseconds) / 1e9)),
          ("records", .integer(recovery.recordCount)),
          ("droppedRecords", .integer(recovery.droppedRecordCount)),
          ("tornTails", .integer(recovery.tornTailCount)),
          ("damageCount", .integer(recovery.damageCount)),
          ("damage", .array(recovery.damage.map(\.json))),
        ])
      ),
    ])
  }

  private static func json(_ mirror: MirrorStatistics) -> JSON {
    .object([
      ("budgetBytes", .count(mirror.budgetBytes)), ("residentBytes", .count(mirror.residentBytes)),
      ("filledBytes", .count(mirror.filledBytes)), ("droppedBytes", .count(mirror.droppedBytes)),
    ])
  }

  private static func words(_ mirror: MirrorStatistics) -> String {
    "a copy in memory of at most \(Figures.bytes(mirror.budgetBytes)); \(Figures.bytes(mirror.filledBytes)) read from the "
      + "device by opening"
  }

  /// What is kept for peers; leases are those of an open store alone, and end with it.
  private static func reservations(_ statistics: StoreStatistics) -> String {
    guard let oldest = statistics.oldestReservationSeconds else { return "none" }
    return "\(Figures.grouped(statistics.reservationCount)), \(Figures.bytes(statistics.reservationBytes)), "
      + "\(Figures.grouped(statistics.quarantinedCount)) in quarantine, the oldest \(Figures.counted(oldest, "second")) old"
  }

  /// The report for people.
  private func text(_ statistics: StoreStatistics, _ recovery: RecoveryReport) -> String {
    let capacity = statistics.capacityBytes

    /// A size, and its share of the capacity.
    func share(_ bytes: UInt64) -> String {
      let percent = capacity == 0 ? 0 : Double(bytes) * 100 / Double(capacity)
      return "\(Figures.bytes(bytes)) (\(Figures.decimal(percent, places: 1)) %)"
    }

    return Figures.table([
      ("store", target.store.path),
      ("keys", Figures.grouped(statistics.keyCount)),
      ("region", Figures.bytes(statistics.regionBytes)),
      ("capacity", Figures.bytes(capacity)),
      ("live", share(statistics.liveBytes)),
      ("dead", share(statistics.deadBytes)),
      ("free", share(statistics.freeBytes)),
      ("reserved", "\(Figures.bytes(statistics.reservedBytes)) of the free bytes, for deletes and the index"),
      ("usable", "about \(share(statistics.usableBytes)) for entries like these"),
      ("largest value", statistics.largestValueBytes.map { Figures.bytes($0) } ?? "none fits without compaction"),
      (
        "index",
        "\(Figures.bytes(statistics.runBytes)) of the dead bytes, \(Figures.counted(statistics.runCount, "run"))"
      ),
      ("tail", "\(Figures.bytes(statistics.tailBytes)) of log since the last checkpoint"),
      ("reservations", Self.reservations(statistics)),
      ("metadata", Figures.bytes(statistics.metadataBytes)),
      (
        "segments",
        "\(Figures.grouped(statistics.segmentCount)) of \(Figures.bytes(statistics.segmentBytes)), "
          + "\(Figures.grouped(statistics.freeSegmentCount)) free"
      ),
      ("lanes", "\(statistics.laneCount)"),
      ("domain", statistics.persistence.domain.rawValue),
      ("level", statistics.persistence.level.rawValue),
      ("reason", statistics.persistence.reason),
      ("reads from", statistics.mirror.map(Self.words) ?? "the region itself"),
      ("owner epoch", "\(statistics.ownerEpoch)"),
      ("last owner", recovery.wasClosed ? "closed the store" : "did not close the store; it was recovered"),
      (
        "opening",
        "\(Figures.counted(recovery.recordCount, "record")) read in "
          + Figures.duration(nanoseconds: Double(recovery.nanoseconds))
      ),
      ("dropped", "\(Figures.counted(recovery.droppedRecordCount, "record")) never acknowledged"),
      ("damage", recovery.damageCount == 0 ? "none found at opening" : Figures.counted(recovery.damageCount, "place")),
    ]) + recovery.damage.map { "damaged: \($0.text)\n" }.joined()
  }
}

extension Damage {
  /// The damage for programs.
  var json: JSON {
    .object([
      ("kind", .string(kind.rawValue)), ("offset", .count(offset)), ("length", .count(length)),
      ("detail", .string(detail)),
    ])
  }

  /// The damage for people.
  var text: String {
    "\(kind.rawValue) at offset \(offset), \(Figures.counted(length, "byte")): \(detail)"
  }
}
