import Synchronization

@testable import BarKV

/// The bytes of a store in this process's memory, which outlive the store: they can be opened again, copied as a crash
/// would leave them, looked at and damaged.
///
/// Each open store works on memory of its own; the region sees every write to it and follows.
final class Region: MediumObserver {
  private let bytes: Locked<[UInt8]>

  /// A blank region.
  convenience init(size: Int) {
    self.init(image: [UInt8](repeating: 0, count: size))
  }

  /// A region with this content.
  init(image: [UInt8]) {
    bytes = Locked(image)
  }

  /// The content: what a process that is killed now leaves.
  var image: [UInt8] { bytes.withLock { $0 } }

  /// A region with the same content, which no open store writes to.
  func copy() -> Region { Region(image: image) }

  func observe(_ event: MediumEvent) throws(StoreError) {
    switch event {
    case .store(_, let offset, let content), .streamingStore(_, let offset, let content),
      .dma(let offset, let content, _):
      bytes.withLock { unsafe $0.withUnsafeMutableBytes { unsafe $0.overwrite(content, at: offset) } }
    case .flush, .fence, .barrier, .readBack, .statusRead, .dmaDone, .peerRead, .evict:
      break
    }
  }

  /// Formats the region.
  ///
  /// - Parameters:
  ///   - seed: decides everything that is random about the store, so that a test can be replayed.
  ///   - hasFrontiers: whether it keeps frontiers; `nil` for what its segments make of it.
  func create(
    segmentSize: Int? = nil, seed: UInt64 = 1, hasFrontiers: Bool? = nil, domain: PersistenceDomain = .processOnly,
    options: StoreOptions = StoreOptions()
  ) throws(StoreError) -> Store {
    let content = image
    let geometry = try Geometry(regionBytes: content.count, segmentSize: segmentSize)
    var generator = SeededGenerator(seed: seed)
    let superblock = Superblock(
      geometry: geometry,
      incompatibleFeatures: hasFrontiers ?? Frontier.isWorthIt(geometry) ? Superblock.frontiers : 0,
      seed: generator.next(), identifier: (generator.next(), generator.next()), created: 0)
    return try Store.create(
      on: Medium.memory(image: content, domain: domain, observer: self), geometry: geometry, path: "memory",
      options: options, superblock: superblock)
  }

  /// Opens the store in the region.
  func open(
    access: Access = .readWrite, domain: PersistenceDomain = .processOnly, options: StoreOptions = StoreOptions()
  ) throws(StoreError) -> Store {
    let medium = try Medium.memory(
      image: image, domain: domain, isWritable: access == .readWrite, observer: self)
    do throws(StoreError) {
      return try Recovery.open(medium, path: "memory", access: access, options: options)
    } catch {
      medium.unmap()
      throw error
    }
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Lays `content` over the bytes from `offset` on.
  fileprivate func overwrite(_ content: [UInt8], at offset: Int) {
    unsafe UnsafeMutableRawBufferPointer(rebasing: self[offset..<offset + content.count]).copyBytes(from: content)
  }
}
