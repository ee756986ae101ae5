import CRawLoops
import Foundation

/// Numbers below a limit, of which few come often: the generator of Gray et al., “Quickly generating billion-record
/// synthetic databases” (1994), which YCSB uses.
public struct ZipfianNumbers: Sendable {
  private let count: Double
  private let limit: UInt64
  private let alpha: Double
  private let zeta: Double
  private let eta: Double
  private let half: Double
  private var state: UInt64

  /// Makes a generator; the same seed gives the same numbers.
  public init(below limit: Int, theta: Double, seed: UInt64) {
    self.limit = UInt64(limit)
    state = seed
    count = Double(limit)
    var sum = 0.0
    for number in 1...limit { sum += 1 / pow(Double(number), theta) }
    zeta = sum
    alpha = 1 / (1 - theta)
    half = 1 + pow(0.5, theta)
    eta = (1 - pow(2 / count, 1 - theta)) / (1 - half / zeta)
  }

  /// The next number, the frequent ones scattered over all.
  public mutating func next() -> UInt64 {
    Self.scattered(nextRank(), below: limit)
  }

  /// The next rank: 0 comes most often, then 1, then 2.
  public mutating func nextRank() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    let uniform = Double(crl_mix(state) >> 11) / Double(1 << 53)
    let scaled = uniform * zeta
    if scaled < 1 { return 0 }
    if scaled < half { return 1 }
    return min(UInt64(count * pow(eta * uniform - eta + 1, alpha)), limit - 1)
  }

  /// Where a rank lies when the frequent ones are scattered.
  public static func scattered(_ rank: UInt64, below limit: UInt64) -> UInt64 {
    crl_mix(rank &+ 77) % limit
  }
}
