/// What ``Store/repair(at:to:size:replacing:options:progress:)`` found and did.
public struct RepairReport: Sendable, Hashable {
  /// How the store became whole.
  public enum Outcome: String, Sendable, Hashable {
    /// Nothing was damaged; nothing was changed.
    case sound
    /// What was damaged had a copy: it was written anew, in place. Nothing is lost.
    case mended
    /// All entries that could be read were copied to a new store.
    case salvaged
  }

  /// How the store became whole.
  public internal(set) var outcome: Outcome = .sound
  /// The number of keys in the store that is whole now.
  public internal(set) var keyCount: Int = 0
  /// Damage that was found. The list holds the first 1,000; ``damageCount`` counts all.
  public internal(set) var damage: [Damage] = []
  /// How many places were found damaged.
  public internal(set) var damageCount: Int = 0
  /// What could not be read, and so is in the store no more. The list holds the first 1,000; ``lossCount`` counts all.
  public internal(set) var losses: [Loss] = []
  /// How many losses there are: an entry each, or a stretch of the log whose entries are not known.
  public internal(set) var lossCount: Int = 0
  /// Whether the manifest or a part of the index was damaged, and the index made anew from the log. The log forgets what was deleted before it forgets
  /// what was stored, so keys that had been deleted, or older values in place of lost ones, may be there again.
  public internal(set) var mayHoldDeletedKeys: Bool = false

  mutating func note(_ loss: Loss) {
    lossCount += 1
    if losses.count < Recovery.damageListLimit { losses.append(loss) }
  }
}

/// An entry that a repair could not read, or a stretch of the log in which there may have been some.
public struct Loss: Sendable, Hashable {
  /// What was damaged.
  public let kind: Damage.Kind
  /// Where it stands, from the region's start.
  public let offset: UInt64
  /// How many bytes it spans.
  public let length: UInt64
  /// The key whose value is lost, where it could still be read.
  public let key: [UInt8]?
}
