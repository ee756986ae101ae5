extension Store {
  /// Makes a damaged store whole, as far as what it holds can still be read.
  ///
  /// Where everything that is damaged has a copy (a superblock's, a segment header's, the manifest's), that is written anew
  /// in place. All other damage is not mended in place, since a second fault or a crash in the middle could cost more than
  /// the first: every entry that can be read, its checksum compared, is copied to a new store of the same size, which takes
  /// the damaged one's place only when it is complete, checked and durable. Until then nothing of the damaged store
  /// changes. What cannot be read is left out and listed; an older value never takes the place of a lost one, but where the
  /// index was damaged, too: see ``RepairReport/mayHoldDeletedKeys``.
  ///
  /// A store on a device has no place for a second one beside it: what is not mended in place needs a target, a file.
  ///
  /// The new store is called `PATH.partial` until it is done. It has an identity of its own.
  ///
  /// - Parameters:
  ///   - address: the store. Nobody else has it open.
  ///   - target: where to write the new store instead; then the damaged one is left as it is, and a store that is whole is
  ///     copied.
  ///   - size: the new store's size; that of the damaged one unless given. Only with a target.
  ///   - replacing: whether a file at `target` that exists, and is not open as a store, is replaced.
  ///   - progress: called now and then with the share that is done.
  /// - Throws: ``StoreError/invalidOption(_:)`` where a store on a device is to be salvaged without a target, or to another device;
  ///   ``StoreError/corrupt(_:)`` where both copies of the superblock are damaged: then nothing can be read;
  ///   ``StoreError/full`` where a new store of that size has no room for the entries, ``StoreError/busy(path:owner:)``, what
  ///   opening and creating throw. The damaged store is as it was then.
  /// - Complexity: reads all that is stored twice and writes it once; as much space again as the store's file takes.
  public static func repair(
    at address: StoreAddress, to target: StoreAddress? = nil, size: Int? = nil, replacing: Bool = false,
    options: StoreOptions = StoreOptions(), progress: ((_ done: Int, _ total: Int) -> Void)? = nil
  ) throws(StoreError) -> RepairReport {
    if let target { try NewStoreFile.check(target) }
    var reading = options
    reading.warmsIndex = false
    var source = try open(at: address, access: .readOnly, options: reading)
    defer { try? source.close() }
    var salvage = try Salvage(source, progress: progress)
    var report = salvage.report
    if let target {
      report = try NewStoreFile.write(to: target, replacing: replacing) { (path) throws(StoreError) in
        try salvage.write(to: path, size: size)
      }
      return report
    }
    if report.damageCount == 0 {
      report.keyCount = source.count
      return report
    }
    if report.damage.count == report.damageCount, report.damage.allSatisfy(\.hasCopy) {
      // An owner writes what has a copy anew when it opens the store.
      try source.close()
      try open(at: address, options: reading).close()
      source = try open(at: address, access: .readOnly, options: reading)
      salvage = try Salvage(source, progress: progress)
      if salvage.report.damageCount == 0 {
        report.outcome = .mended
        report.keyCount = source.count
        return report
      }
    }
    guard !address.isDevice else {
      throw .invalidOption(
        "a store on a device cannot be replaced: salvage it to a file (--to FILE), create it anew, load")
    }
    return try NewStoreFile.replace(source, at: address) { (path) throws(StoreError) in
      try salvage.write(to: path, size: nil)
    }
  }
}

extension Damage {
  /// Whether another copy serves, so that nothing is lost.
  var hasCopy: Bool {
    switch kind {
    case .superblock, .manifest: true
    case .segmentHeader: length == UInt64(lineSize)
    case .record, .extent, .index: false
    }
  }
}
