/// Finds out that all of what a peer wrote is there, as the caller asked for it, and what its checksum is.
struct PeerCheck {
  let store: Store
  let range: Range<Int>
  /// What the extent's checksum starts from.
  let salt: UInt32
  let verification: PeerVerification
  /// Whether the machine was started since the reservation: of what the peer wrote before, a power cut may have taken any
  /// part, and kept what it wrote last.
  let mayHaveLostData: Bool

  private var medium: Medium { store.medium }

  /// The extent's checksum, for its record. One pass over the value, none where the caller vouches for its checksum; more only
  /// where one was given as a proof and data is late.
  ///
  /// - Throws: ``StoreError/peerUnverified``, ``StoreError/peerDataIncomplete(_:)``, and what reading throws.
  func run() throws(StoreError) -> UInt32 {
    switch verification.method {
    case .automatic, .trailer, .readBack:
      if mayHaveLostData, !Mutant.commitTrustsEarlierBoot.isActive { throw .peerUnverified }
    case .checksum, .completion: break
    }
    switch verification.method {
    case .automatic:
      guard medium.ordersPeerCompletion || Mutant.commitTrustsAnyCompletion.isActive else { throw .peerUnverified }
      return try checksum()
    case .completion:
      return try checksum()
    case .readBack(let body):
      do { try body() } catch { throw .peerDataIncomplete("the read-back failed: \(error)") }
      return try checksum()
    case .trailer(let word):
      try awaitTrailer(word)
      // The same peer wrote all the rest before.
      return try checksum()
    case .checksum(let given):
      let expected = Checksum.reseeded(given, count: range.count, seed: salt)
      return try awaitChecksum(expected)
    }
  }

  /// What the trailer must not be, and the value's length must be, for ``PeerVerification/trailer(_:checksum:timeout:)``.
  static func validate(_ verification: PeerVerification, length: Int) throws(StoreError) {
    guard case .trailer(let word) = verification.method else { return }
    guard length >= 8 else { throw .invalidOption("a trailer takes 8 bytes, and the value has \(length)") }
    guard word != 0 else { throw .invalidOption("a trailer of 0 is what stands there before") }
  }

  /// What the caller vouches for, or one pass.
  private func checksum() throws(StoreError) -> UInt32 {
    if let known = verification.knownChecksum { return Checksum.reseeded(known, count: range.count, seed: salt) }
    return try pass()
  }

  /// One pass. A reader like any other: the region is not unmapped meanwhile.
  private func pass() throws(StoreError) -> UInt32 {
    try store.poisoning { () throws(StoreError) in
      try store.holdingOpen { () throws(StoreError) in
        let found = try medium.checksumOfPeerWrite(range, seed: salt, site: .peerPayload)
        if !medium.isWhole { try medium.checkReads(of: range) }
        return found
      }
    }
  }

  private func awaitChecksum(_ expected: UInt32) throws(StoreError) -> UInt32 {
    var found: UInt32 = 0
    let isThere = try wait { () throws(StoreError) in
      found = try pass()
      return found == expected || Mutant.commitSkipsChecksum.isActive
    }
    guard isThere else {
      throw .peerDataIncomplete("the value does not have the checksum that was given")
    }
    return found
  }

  private func awaitTrailer(_ word: UInt64) throws(StoreError) {
    let isThere = try wait { () throws(StoreError) in
      try store.poisoning { () throws(StoreError) in
        try store.holdingOpen { () throws(StoreError) in
          let found = try medium.wordOfPeerWrite(at: range.upperBound - 8, site: .peerPayload)
          if !medium.isWhole { try medium.checkReads(of: range) }
          return found == word
        }
      }
    }
    guard isThere else { throw .peerDataIncomplete("the trailer did not arrive") }
  }

  /// Asks until the answer is yes or the time is over. Nothing is held in between.
  private func wait(until isThere: () throws(StoreError) -> Bool) throws(StoreError) -> Bool {
    let limit = Self.nanoseconds(verification.timeout)
    let began = monotonicNanoseconds()
    var pause: UInt32 = 1
    while true {
      if try isThere() { return true }
      if Mutant.commitSkipsWait.isActive { return true }
      if monotonicNanoseconds() &- began >= limit { return false }
      sleepFor(microseconds: pause)
      pause = min(2 * pause, 1000)
    }
  }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    // A century is as good as forever.
    return UInt64(min(seconds, 3_155_760_000)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }
}
