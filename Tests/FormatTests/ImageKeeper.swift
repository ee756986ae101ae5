import Synchronization

@testable import BarKV

/// Keeps the bytes of a region in memory beyond the store's close.
final class ImageKeeper: MediumObserver {
  private let image: Locked<[UInt8]>

  init(_ image: [UInt8]) {
    self.image = Locked(image)
  }

  var bytes: [UInt8] { image.withLock { $0 } }

  func observe(_ event: MediumEvent) throws(StoreError) {
    switch event {
    case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
      image.withLock { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
    case .flush, .fence, .barrier, .readBack, .statusRead, .dma, .dmaDone, .peerRead, .evict:
      break
    }
  }
}
