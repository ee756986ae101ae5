import CBarKV

@testable import BarKV

/// Follows which lines of a region were stored and are covered by no barrier yet, by the rules of a file (each barrier has a
/// range) or of a device (a load from it ends each barrier).
final class PendingLines: MediumObserver {
  private struct State {
    /// By thread: a fence is one of its own thread's stores.
    var stored: [UInt32: Set<Int>] = [:]
    var fenced: Set<Int> = []
    var sites: Set<MediumSite> = []
  }

  private let next: any MediumObserver
  private let domain: PersistenceDomain
  private let state = Locked(State())

  /// - Parameter next: sees each event as well.
  init(_ next: any MediumObserver, domain: PersistenceDomain) {
    self.next = next
    self.domain = domain
  }

  /// The lines that a power cut could take.
  var lines: [Int] { state.withLock { $0.stored.values.reduce($0.fenced) { $0.union($1) }.sorted() } }
  /// Where the barriers came from.
  var sites: Set<MediumSite> { state.withLock { $0.sites } }

  func observe(_ event: MediumEvent) throws(StoreError) {
    let thread = UInt32(barkv_thread_slot())
    state.withLock { state in
      switch event {
      case .store(_, let offset, let bytes), .streamingStore(_, let offset, let bytes):
        state.stored[thread, default: []].formUnion(offset / lineSize..<(offset + bytes.count) / lineSize)
      case .fence:
        state.fenced.formUnion(state.stored.removeValue(forKey: thread) ?? [])
      case .barrier(let site, let range):
        state.sites.insert(site)
        if !domain.isBehindBus { state.fenced.subtract(range.lowerBound / lineSize..<range.upperBound / lineSize) }
      case .readBack:
        if domain != .pmrStatusRead { state.fenced = [] }
      case .statusRead:
        if domain == .pmrStatusRead { state.fenced = [] }
      case .flush, .dma, .dmaDone, .peerRead, .evict:
        break
      }
    }
    try next.observe(event)
  }
}
