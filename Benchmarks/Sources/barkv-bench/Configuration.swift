import CRawLoops

/// What one run measures: the same input for every subject.
struct Configuration: Codable, Sendable {
  /// The number of entries.
  var records: Int
  /// The bytes of a value. A key has 16.
  var valueBytes: Int
  /// How many times everything is measured; the medians count.
  var rounds: Int
  /// The most threads; above 1, scaling is measured too.
  var threads: Int
  /// Where the regions are: a directory on tmpfs.
  var directory: String
  /// What is measured; scaling by threads is in any case.
  var works: [Work]
  /// Whether the thread's processor time is taken instead of the time that passes: on a machine that others use as well.
  var takesProcessorTime: Bool

  /// Whether `work` is measured.
  func measures(_ work: Work) -> Bool { works.contains(work) }

  /// The bytes of a key.
  static let keyBytes = crl_key_bytes

  /// The writes that share a fence in the works that share one.
  static let group = 32

  /// The gets of one call where several are in one.
  static let getGroup = crl_get_group

  /// The bytes of one of the C loops' records.
  var recordBytes: Int { crl_record_bytes(valueBytes) }

  /// The bytes of a region in which every entry is written `writes` times and deleted at most once, with room for
  /// larger records than those of the C loops, and for a store's own structures.
  func storeBytes(writes: Int) -> Int {
    records * (writes * (recordBytes + 64) + 64) + (64 << 20)
  }
}
