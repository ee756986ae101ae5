/// How long a record had lasted when it was copied.
///
/// What has lasted long will last: its next death is far off, so among records that die soon it would be copied again and
/// again. Records of each age are copied to segments of their own, which then either die as a whole or not at all.
///
/// A segment tells by the sequence number that it began with, which is in its header; so the ages are known after opening.
enum CopyAge: Int, CaseIterable {
  case young, middle, old

  /// The age of a segment whose records are older than `written` records that were written since.
  ///
  /// Simulated with zipfian keys (0.99) at 85 % full: 1.25 copies a put, where one lane for all had 1.53. Limits half as
  /// high or twice as high make no difference of more than 0.05; a fourth age gains 0.01.
  ///
  /// - Parameters:
  ///   - written: how many records, copies included, were written since the segment was begun.
  ///   - keys: how many keys there are.
  init(written: UInt64, keys: Int) {
    let keys = Double(max(1, keys))
    self = Double(written) < keys / 3 ? .young : Double(written) < 2 * keys ? .middle : .old
  }
}
