import CRawLoops
import Foundation

/// Numbers below a limit, of which few come often: the generator of Gray et al., “Quickly generating billion-record
/// synthetic databases” (1994), which YCSB uses, scattered over all numbers.
struct ZipfianNumbers {
  private let count: Double
  private let limit: UInt64
  private let theta: Double
  private let alpha: Double
  private let zeta: Double
  private let eta: Double
  private let half: Double
  private var state: UInt64

  init(below limit: Int, theta: Double, seed: UInt64) {
    self.limit = UInt64(limit)
    self.theta = theta
    state = seed
    count = Double(limit)
    var sum = 0.0
    for number in 1...limit { sum += 1 / pow(Double(number), theta) }
    zeta = sum
    alpha = 1 / (1 - theta)
    half = 1 + pow(0.5, theta)
    eta = (1 - pow(2 / count, 1 - theta)) / (1 - half / zeta)
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    let uniform = Double(crl_mix(state) >> 11) / Double(1 << 53)
    let scaled = uniform * zeta
    let rank: Double
    if scaled < 1 {
      rank = 0
    } else if scaled < half {
      rank = 1
    } else {
      rank = count * pow(eta * uniform - eta + 1, alpha)
    }
    return crl_mix(UInt64(rank) &+ 77) % limit
  }
}
