import CRawLoops

/// A mapping that the raw loop fills.
@safe struct RawRegion: ~Copyable, @unchecked Sendable {
  // Sendable: the loop's threads write disjoint shares of the mapping, and nothing else changes after `init`.
  private var region: crl_region

  /// Maps a region with room for `records` records of `recordBytes`.
  init(_ configuration: Configuration, prefaulted: Bool) throws {
    unsafe region = crl_region()
    let code = unsafe crl_region_open(
      &region, configuration.directory, configuration.records * configuration.recordBytes, prefaulted)
    guard code == 0 else { throw BenchError.system(call: "mapping a region", errno: code) }
  }

  deinit {
    var region = unsafe region
    unsafe crl_region_close(&region)
  }

  /// Writes the records of a share, with a fence after every `perFence` of them.
  func put(_ range: Range<Int>, recordBytes: Int, perFence: Int) {
    unsafe crl_raw_put(region.base + range.lowerBound * recordBytes, recordBytes, range.count, perFence)
  }
}
