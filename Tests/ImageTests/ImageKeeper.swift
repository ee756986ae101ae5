import Synchronization

@testable import BarKV

/// Keeps a copy of a region in memory up to date: what it holds after a close, when the region itself is gone.
final class ImageKeeper: MediumObserver {
  private let state: Locked<[UInt8]>

  init(_ image: [UInt8]) {
    state = Locked(image)
  }

  /// The region's bytes now.
  var bytes: [UInt8] { state.withLock { $0 } }

  func observe(_ event: MediumEvent) throws(StoreError) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      state.withLock { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
    case .flush, .fence, .barrier, .readBack, .statusRead, .dma, .dmaDone, .peerRead, .evict:
      break
    }
  }
}
