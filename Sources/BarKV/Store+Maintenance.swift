/// Work that the store does by itself, asked for.
extension Store {
  /// Makes the index of everything written so far durable in the region, so that the next opening has nothing to read but
  /// what is written after this call.
  ///
  /// The store does so by itself, as often as ``StoreOptions/replayBytes`` asks for.
  ///
  /// - Throws: ``StoreError/readOnly``; ``StoreError/full`` where not even the reserve has room for the index;
  ///   ``StoreError/damagedIndex(offset:)``; and what every call throws.
  /// - Complexity: what changed since the last checkpoint; two barriers or more. Writers wait for a moment.
  public func checkpoint() throws(StoreError) {
    try maintaining { (state) throws(StoreError) in try maintenance.checkpoint(&state) }
  }

  /// Copies live records out of all segments with much that is dead, and gives these back, until no segment is worth it.
  ///
  /// The store does so by itself when free segments run short. Runs beside readers and writers.
  ///
  /// - Parameter progress: called after each step with the free bytes there are.
  /// - Returns: how many bytes more are free.
  /// - Throws: as ``checkpoint()``.
  /// - Complexity: reads the segments that are emptied, writes what lives in them; a barrier for each 64 records.
  @discardableResult
  public func compact(progress: ((_ freeBytes: UInt64) -> Void)? = nil) throws(StoreError) -> UInt64 {
    let before = statistics.freeBytes
    var goesOn = true
    var steps = 0
    try checkpoint()
    try maintaining { (state) throws(StoreError) in maintenance.beginPass(&state) }
    // Each step empties a segment at least; a writer that keeps up with it is no reason to go on forever.
    while goesOn, steps < 4 * superblock.geometry.segmentCount {
      steps += 1
      goesOn = try maintaining { (state) throws(StoreError) in
        maintenance.release(&state)
        return try maintenance.compactStep(&state, leastGarbage: 16)
      }
      progress?(statistics.freeBytes)
    }
    try maintaining { (state) throws(StoreError) in maintenance.release(&state) }
    let after = statistics.freeBytes
    return after > before ? after - before : 0
  }

  /// Runs `body` with the turn of maintenance.
  private func maintaining<R>(_ body: (inout Maintenance.State) throws(StoreError) -> R) throws(StoreError) -> R {
    try checkWritable()
    return try poisoning { () throws(StoreError) in
      try maintenance.turn.withLock { (state) throws(StoreError) in
        try lifecycle.check()
        return try body(&state)
      }
    }
  }
}
