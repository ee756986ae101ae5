import ArgumentParser

@testable import BarKV
@testable import CrashRig

/// Opens the image of a failure again, and says what recovery makes of it.
struct Replay {
  let path: String

  func run() throws {
    let (image, oracle) = try FailureKeeper.read(path)
    let medium = try Medium.memory(image: image)
    let store: Store
    do throws(StoreError) {
      store = try Recovery.open(medium, path: path, access: .readWrite, options: StoreOptions())
    } catch {
      print("the store does not open: \(error)")
      if case .notAStore = error, oracle?.mayBeMissing == true { return print("which is right here") }
      throw ExitCode(1)
    }
    print(store.recovery)
    for (key, value) in try store.contents().sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      print("\(String(decoding: key, as: UTF8.self)): \(value.count) bytes \(value.prefix(16))")
    }
    let summary = try StoreSummary(of: store)
    let report = try store.verify()
    var isRight = report.isSound && summary.fault == nil && store.recovery.damageCount == 0
    if let fault = summary.fault { print("accounts: \(fault)") }
    if !report.isSound { print("verify: \(report.damage)") }
    if let oracle, !oracle.allowed.isEmpty {
      let isAllowed = oracle.allowed.contains(summary.digest)
      print(isAllowed ? "the contents are right" : "the contents are not what was acknowledged")
      isRight = isRight && isAllowed
    }
    if !isRight { throw ExitCode(1) }
  }
}
