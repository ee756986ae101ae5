import Testing

@testable import BarKV

/// Files that are not what they were, or never were a store: each fault has its own answer, and nothing is changed.
@Suite struct GeometryFaultTests {
  /// A store of 64 KiB with its superblock changed.
  private func store(_ change: (inout [UInt8], _ copy: Int) -> Void) throws -> [UInt8] {
    var image = try SampleStore().closed
    for copy in 0..<2 {
      let start = copy * 4096
      var block = Array(image[start..<start + Superblock.encodedBytes])
      change(&block, copy)
      image.replaceSubrange(start..<start + Superblock.encodedBytes, with: block)
    }
    return image
  }

  private func fixChecksum(_ block: inout [UInt8]) {
    let checksum = unsafe Array(block[..<252]).withUnsafeBytes { unsafe Checksum.of($0, seed: 0) }
    for index in 0..<4 { block[252 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * index)) }
  }

  /// Opens `file` both ways and expects the error, and the file as it was.
  private func expect(
    _ error: StoreError, opening file: TemporaryFile, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let before = try file.bytes()
    for access in [Access.readWrite, .readOnly] {
      #expect(throws: error, sourceLocation: location) {
        _ = try Store.open(at: file.address, access: access)
      }
    }
    #expect(try file.bytes() == before, "a refused file was changed", sourceLocation: location)
  }

  @Test(arguments: [-(32 << 10), 4000 - (64 << 10), -1, -64, -4096, 1, 64, 4096])
  func aFileOfAnotherSizeIsRefused(_ difference: Int) throws {
    let image = try SampleStore().closed
    let file = try TemporaryFile(image)
    try file.resize(to: image.count + difference)
    try expect(
      .sizeMismatch(recorded: UInt64(image.count), found: UInt64(image.count + difference)), opening: file)
    // Only the size was wrong.
    try file.resize(to: image.count)
    if difference > 0 { try Store.open(at: file.address, access: .readOnly).close() }
  }

  @Test func aForeignFileIsRefused() throws {
    print("aForeignFileIsRefused: BARKV_SEED=\(baseSeed)")
    var generator = SeededGenerator(seed: baseSeed)
    for bytes in [
      [], [1], Array("no store".utf8), generator.bytes(63), generator.bytes(64), generator.bytes(300),
      generator.bytes(4096), generator.bytes(1 << 20), [UInt8](repeating: 0, count: 1 << 20),
      [UInt8](repeating: 0xFF, count: 64 << 10),
    ] {
      let file = try TemporaryFile(bytes)
      try expect(.notAStore(file.path), opening: file)
    }
  }

  @Test(arguments: [true, false]) func eachKindOfForeignStoreHasItsError(_ fixesChecksum: Bool) throws {
    let order = try TemporaryFile(
      store { block, _ in
        block.replaceSubrange(8..<12, with: [1, 2, 3, 4])
        if fixesChecksum { fixChecksum(&block) }
      })
    try expect(.wrongByteOrder, opening: order)
    let version = try TemporaryFile(
      store { block, _ in
        block[12] = 1
        if fixesChecksum { fixChecksum(&block) }
      })
    try expect(.unsupportedVersion(found: 1, supported: 3), opening: version)
    let features = try TemporaryFile(
      store { block, _ in
        block[24] = 4
        if fixesChecksum { fixChecksum(&block) }
      })
    try expect(.unsupportedFeatures(4), opening: features)
    let magic = try TemporaryFile(
      store { block, _ in
        block[0] ^= 0x20
        if fixesChecksum { fixChecksum(&block) }
      })
    try expect(.notAStore(magic.path), opening: magic)
  }

  /// A mark of neither order, whose checksum is right all the same, and what else such a superblock might claim.
  @Test func aSenselessByteOrderMarkIsRefused() throws {
    for size in [UInt8(0), 0x7F, 0xFF] {
      let image = try store { block, _ in
        block[9] = 0x7E
        if size > 0 { block.replaceSubrange(34..<40, with: [UInt8](repeating: size, count: 6)) }
        fixChecksum(&block)
      }
      #expect(throws: StoreError.corrupt("the superblock's byte order mark is of no order")) {
        _ = try Image.open(image)
      }
    }
  }

  @Test func anUnknownCompatibleFeatureIsIgnored() throws {
    let file = try TemporaryFile(
      store { block, _ in
        block[16] = 0x80
        fixChecksum(&block)
      })
    let store = try Store.open(at: file.address)
    #expect(store.recovery.damageCount == 0)
    #expect(store.superblock.compatibleFeatures == 0x80)
    try store.close()
  }

  @Test(arguments: [0, 1]) func oneDamagedSuperblockIsReported(_ damaged: Int) throws {
    let sample = try SampleStore()
    // Any byte will do: one of the magic, one of the geometry, one of the seed, one that means nothing, the checksum.
    // All of them, too: zeros are their own checksum.
    for offset in [0, 9, 12, 24, 35, 41, 75, 200, 252, nil] {
      let file = try TemporaryFile(
        store { block, copy in
          guard copy == damaged else { return }
          if let offset { block[offset] ^= 0x11 } else { block = [UInt8](repeating: 0, count: block.count) }
        })
      for access in [Access.readOnly, .readWrite] {
        let store = try Store.open(at: file.address, access: access)
        #expect(store.recovery.damage.map(\.kind) == [.superblock])
        #expect(store.recovery.damage.first?.offset == UInt64(damaged * 4096))
        // An owner puts it right.
        #expect(try store.verify().damage.map(\.kind) == (access == .readOnly ? [.superblock] : []))
        #expect(
          try store.contents()
            == Dictionary(uniqueKeysWithValues: sample.contents.map { (Array($0.key.utf8), $0.value) }))
        try store.close()
      }
      #expect(try Store.open(at: file.address).recovery.damageCount == 0)
    }
  }

  @Test func twoDamagedSuperblocksAreRefused() throws {
    let damaged = try TemporaryFile(store { block, _ in block[75] ^= 1 })
    for access in [Access.readWrite, .readOnly] {
      #expect {
        _ = try Store.open(at: damaged.address, access: access)
      } throws: { error in
        guard case StoreError.corrupt = error else { return false }
        return true
      }
    }
    // Different stores' superblocks, each of them whole.
    let mixed = try TemporaryFile(
      store { block, copy in
        block[80] = UInt8(copy)
        fixChecksum(&block)
      })
    #expect {
      _ = try Store.open(at: mixed.address)
    } throws: { error in
      guard case StoreError.corrupt = error else { return false }
      return true
    }
  }
}
