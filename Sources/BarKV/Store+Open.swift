extension Store {
  /// Creates a store of `size` bytes at `address` and opens it.
  ///
  /// - Parameters:
  ///   - size: the region's size: 8 KiB to 64 TiB, a multiple of 64. A file's blocks are allocated at once. A device's
  ///     store takes the device's whole size: `nil` stands for that, and no other size is taken.
  ///   - options: settings; ``StoreOptions/segmentSize`` becomes part of the format.
  ///   - replacing: whether a file that exists, or a device that is not blank, and is not open elsewhere, is overwritten.
  /// - Throws: ``StoreError/invalidAddress(_:)``, ``StoreError/unsupportedMedium(_:)``, ``StoreError/noSuchDevice(_:)``,
  ///   ``StoreError/deviceUnusable(_:reason:remedy:)``, ``StoreError/alreadyExists(_:)``, ``StoreError/invalidSize(bytes:reason:)``,
  ///   ``StoreError/invalidOption(_:)``, ``StoreError/busy(path:owner:)``, ``StoreError/system(call:errno:)``.
  /// - Complexity: the allocation of `size` bytes, on a device their writing; three barriers, on a device six.
  public static func create(
    at address: StoreAddress, size: Int? = nil, options: StoreOptions = StoreOptions(), replacing: Bool = false
  ) throws(StoreError) -> Store {
    try address.validate()
    try options.validate()
    // Before anything is touched: what was there must not be lost to a size that no store can have.
    if let size { _ = try Geometry(regionBytes: size, segmentSize: options.segmentSize) }
    let medium: Medium
    do throws(StoreError) {
      medium = try Medium.create(at: address, size: size, replacing: replacing, options: options)
    } catch {
      throw naming(error, at: address)
    }
    let geometry: Geometry
    do throws(StoreError) {
      geometry = try Geometry(regionBytes: medium.length, segmentSize: options.segmentSize)
    } catch {
      medium.unmap()
      throw error
    }
    return try create(on: medium, geometry: geometry, path: address.path, options: options)
  }

  /// Formats `medium`, whose bytes are all zero, and opens it.
  ///
  /// - Parameter superblock: what to write, where a test wants the same bytes each time.
  static func create(
    on medium: Medium, geometry: Geometry, path: String, options: StoreOptions, superblock: Superblock? = nil
  ) throws(StoreError) -> Store {
    var generator = SystemRandomNumberGenerator()
    let superblock =
      superblock
      ?? Superblock(
        geometry: geometry, incompatibleFeatures: Frontier.isWorthIt(geometry) ? Superblock.frontiers : 0,
        seed: generator.next(), identifier: (generator.next(), generator.next()), created: wallClockSeconds())
    do throws(StoreError) {
      var manifest = Manifest(commit: 1)
      manifest.isClosed = true
      if !Mutant.superblockBeforeManifest.isActive {
        try manifest.write(to: medium, superblock: superblock, site: .creatingManifest)
      }
      let encoded = superblock.encoded()
      // The copies last, and one by one: a region that has a superblock has everything that it says.
      for copy in Mutant.firstSuperblockFirst.isActive ? [0, 1] : [1, 0] {
        let offset = geometry.superblockOffset(copy)
        let site: MediumSite = copy == 1 ? .secondSuperblock : .superblock
        try unsafe encoded.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
          try unsafe medium.write(bytes, at: offset, site: site)
        }
        try medium.barrier(offset..<offset + Superblock.encodedBytes, site: site)
      }
      if Mutant.superblockBeforeManifest.isActive {
        try manifest.write(to: medium, superblock: superblock, site: .creatingManifest)
      }
      return try Recovery.open(medium, path: path, access: .readWrite, options: options)
    } catch {
      medium.unmap()
      throw error
    }
  }

  /// Opens the store at `address`.
  ///
  /// Reads the log, in parallel, and rebuilds the index. Opening never formats anything: what is no store is refused and
  /// left as it is. Damage does not keep a store from opening as long as its metadata can be read; what was found is in
  /// ``recovery``.
  ///
  /// - Parameters:
  ///   - access: ``Access/readWrite`` takes the store for this `Store` alone. ``Access/readOnly`` maps the region for
  ///     reading, writes nothing, and shares the store with other readers.
  /// - Throws: ``StoreError/noSuchStore(_:)``, ``StoreError/noSuchDevice(_:)``,
  ///   ``StoreError/deviceUnusable(_:reason:remedy:)``, ``StoreError/unsupportedMedium(_:)``,
  ///   ``StoreError/busy(path:owner:)``, ``StoreError/permissionDenied(_:)``,
  ///   ``StoreError/notAStore(_:)``, ``StoreError/wrongByteOrder``,
  ///   ``StoreError/unsupportedVersion(found:supported:)``, ``StoreError/unsupportedFeatures(_:)``,
  ///   ``StoreError/sizeMismatch(recorded:found:)``, ``StoreError/corrupt(_:)``, ``StoreError/system(call:errno:)``.
  /// - Complexity: reads the whole log; two barriers, one after a close, none when read-only.
  public static func open(
    at address: StoreAddress, access: Access = .readWrite, options: StoreOptions = StoreOptions()
  ) throws(StoreError) -> Store {
    try address.validate()
    try options.validate()
    let medium: Medium
    do throws(StoreError) {
      medium = try Medium.open(at: address, access: access, options: options)
    } catch {
      throw naming(error, at: address)
    }
    do throws(StoreError) {
      return try Recovery.open(medium, path: address.path, access: access, options: options)
    } catch {
      medium.unmap()
      throw error
    }
  }

  /// Adds to a `busy` error who the owner is, where the store says.
  private static func naming(_ error: StoreError, at address: StoreAddress) -> StoreError {
    // A device's owner is in its region, which is not mapped for this.
    guard case .busy(let path, _) = error, address.place == .file else { return error }
    return .busy(path: path, owner: Manifest.owner(ofFileAt: path))
  }
}
