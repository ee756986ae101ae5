import ArgumentParser
import BarKV

/// `kvcli verify`: checks everything in a store.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check every record of a store and list what is damaged.",
    discussion: """
      Reads the whole store and changes nothing. Ends with status 0 where everything is whole, and with status 2 where \
      damage was found, listing the first 1,000 places.
      """
  )

  @OptionGroup var target: StoreArgument

  @OptionGroup var report: ReportOptions

  func run() throws {
    var progress = Progress()
    defer { progress.finish() }
    let started = Platform.nanoseconds()
    let (found, damage, count) = try target.withStore(.readOnly) { store in
      let found = try store.verify { done, total in
        let percent = total == 0 ? 100 : Double(done) * 100 / Double(total)
        progress.update("verifying: \(Figures.decimal(percent, places: 0)) %")
      }
      // What opening had to leave out, and what else is wrong with what is there; the same place once.
      let recovery = store.recovery
      let known = Set(recovery.damage.map(Place.init))
      let more = found.damage.filter { !known.contains(Place($0)) }
      let count = max(found.damageCount, recovery.damageCount, recovery.damage.count + more.count)
      return (found, Array((recovery.damage + more).prefix(1000)), count)
    }
    progress.finish()
    let seconds = Double(Platform.nanoseconds() - started) / 1e9
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("sound", .boolean(count == 0)),
        ("records", .integer(found.recordCount)),
        ("extents", .integer(found.extentCount)),
        ("bytes", .count(found.bytes)),
        ("seconds", .number(seconds)),
        ("damageCount", .integer(count)),
        ("damage", .array(damage.map(\.json))),
      ])
    } text: {
      let verdict =
        count == 0 ? "sound" : "\(Figures.counted(count, "damaged place"))\(count > damage.count ? ", the first" : "")"
      return damage.map { "damaged: \($0.text)\n" }.joined() + """
        \(target.store.path): \(verdict); \(Figures.counted(found.recordCount, "record")), \
        \(Figures.counted(found.extentCount, "extent")), \(Figures.bytes(found.bytes)) checked in \
        \(Figures.duration(nanoseconds: seconds * 1e9))

        """
    }
    guard count == 0 else { throw ExitCode(ExitStatus.damage.rawValue) }
  }

  /// What makes two findings the same one.
  private struct Place: Hashable {
    let kind: Damage.Kind
    let offset: UInt64

    /// The place of `damage`.
    init(_ damage: Damage) {
      kind = damage.kind
      offset = damage.offset
    }
  }
}
