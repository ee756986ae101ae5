/// What ``Store/backup(to:replacing:progress:)`` wrote.
public struct BackupReport: Sendable, Hashable {
  /// The number of keys in the backup.
  public internal(set) var keyCount: Int = 0
  /// The size of the backup: that of the store's region.
  public internal(set) var regionBytes: UInt64 = 0
  /// The bytes of the region that were in use, and so were copied.
  public internal(set) var copiedBytes: UInt64 = 0
  /// The sequence number of the last write that is in the backup.
  public internal(set) var sequence: UInt64 = 0
}

extension Store {
  /// Writes an image of the store to a new file: a store of its own, which opens by itself as one that was closed.
  ///
  /// The image is the store at one moment during the call. Every write that was acknowledged before the call is in it, and
  /// so is none that begins after it has returned; a batch is in it whole or not at all; of two writes by one thread the
  /// second is not in it without the first. Deferred writes are in it as far as they were persisted.
  ///
  /// Readers and writers go on, but for the instant in which the cut is made. Until the image is written no segment is set
  /// free for reuse, so a store that is nearly full may refuse puts meanwhile. A store that is open read-only can be backed
  /// up, too. Damage is copied as it is: ``verify(progress:)`` of the image finds it.
  ///
  /// The file appears under its name only when it is whole and durable; until then it is called `PATH.partial`, which is
  /// replaced if it is there, and removed where the backup fails.
  ///
  /// - Parameters:
  ///   - address: a file. It has the size of the region; a store of another size is made by copying its entries.
  ///   - replacing: whether a file that exists, and is not open as a store, is replaced.
  ///   - progress: called now and then with how many bytes of how many were copied.
  /// - Throws: ``StoreError/alreadyExists(_:)``; ``StoreError/busy(path:owner:)`` where the file to be replaced is in use;
  ///   ``StoreError/invalidOption(_:)`` for what is no file's address; ``StoreError/system(call:errno:)``; and what every call throws.
  /// - Complexity: copies what is in use and allocates the rest. Holds a read open until it is done.
  @discardableResult
  public func backup(
    to address: StoreAddress, replacing: Bool = false,
    progress: ((_ doneBytes: UInt64, _ totalBytes: UInt64) -> Void)? = nil
  ) throws(StoreError) -> BackupReport {
    try NewStoreFile.check(address)
    try lifecycle.check()
    return try NewStoreFile.write(to: address, replacing: replacing) { (path) throws(StoreError) in
      // Nothing that the cut names is used again while a reader that began before it has not left.
      try holdingOpen { () throws(StoreError) in
        try medium.checkSize()
        let cut = try BackupCut(self)
        return try cut.write(to: path, progress: progress)
      }
    }
  }
}
