extension Store {
  /// How the region is mapped: one part of a file, on a BAR a control page and the rest.
  public var mapping: [MappedPart] { medium.parts }

  /// Finds out what the store's place costs: stores, reads and barriers, measured for less than two seconds.
  ///
  /// What is stored are the bytes that are there already, those of the region's metadata, which are written by nothing but
  /// opening and closing; so a crash at any moment changes nothing. Other threads may use the store, and then some of their
  /// time is measured as well.
  ///
  /// - Throws: ``StoreError/readOnly``, ``StoreError/closed``, ``StoreError/forked``, ``StoreError/deviceLost(_:)``,
  ///   ``StoreError/outcomeUnknown(_:)`` where a barrier found the device lost.
  /// - Complexity: some thousand barriers; up to 64 MiB read.
  public func probe() throws(StoreError) -> ProbeReport {
    guard access == .readWrite else { throw .readOnly }
    // A close waits for readers before it writes the metadata.
    epochs.enter()
    defer { epochs.leave() }
    try lifecycle.check()
    // Not the first superblock, by whose first word the device is known.
    let metadata = superblock.geometry.superblockOffset(1)..<superblock.geometry.manifestOffset(2)
    return try poisoning { () throws(StoreError) in try medium.probe(rewriting: metadata) }
  }
}
