import Testing

@testable import BarKV

/// A share of the interleavings of owners and devices; `make test` runs many more, optimised.
@Suite struct PeerInterleavingTests {
  @Test func aShareIsRight() {
    let report = PeerRig(seed: baseSeed, runs: 150, workers: 1).run()
    print("BARKV_SEED=\(baseSeed): \(report.text)")
    for failure in report.failures { Issue.record("BARKV_SEED=\(baseSeed): \(failure)") }
    #expect(report.count.commits > 0 && report.count.cuts > 0 && report.count.quarantined > 0)
  }
}
