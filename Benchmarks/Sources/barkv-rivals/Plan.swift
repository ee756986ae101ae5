import BenchSupport
import CRawLoops

/// Which entries are visited, made before the clock starts: the same for every store.
struct Plan: Sendable {
  /// The most operations of one work.
  static let maximumOperations = 5_000_000
  /// The constant of YCSB's zipfian distribution.
  static let theta = 0.99

  /// All entries in one random order.
  let order: [UInt32]
  /// The ranks of a zipfian distribution: 0 comes most often.
  let ranks: [UInt32]
  /// The entries that those ranks fall on, scattered over all.
  let zipfian: [UInt32]

  init(records: Int, needsZipfian: Bool) {
    order = unsafe [UInt32](unsafeUninitializedCapacity: records) { buffer, count in
      unsafe crl_permutation(buffer.baseAddress, records, 0x5eed)
      count = records
    }
    guard needsZipfian else {
      ranks = []
      zipfian = []
      return
    }
    var numbers = ZipfianNumbers(below: records, theta: Self.theta, seed: 0x21bf)
    ranks = (0..<min(records, Self.maximumOperations)).map { _ in UInt32(numbers.nextRank()) }
    zipfian = ranks.map { UInt32(ZipfianNumbers.scattered(UInt64($0), below: UInt64(records))) }
  }
}
