import Synchronization
import Testing

@testable import BarKV

#if canImport(CrashRig)
  @testable import CrashRig
#endif

/// A barrier that was running already when a thread had stored something does not cover that.
@Suite struct RunningBarrierTests {
  /// Records, and holds up the first read from the device on its way: it was made, and its answer is not there yet.
  private final class SlowRead: MediumObserver {
    let recorder = EventRecorder()
    let isOnItsWay = Atomic<Bool>(false)
    let mayArrive = Atomic<Bool>(false)

    func observe(_ event: MediumEvent) throws(StoreError) {
      try recorder.observe(event)
      switch event {
      case .readBack, .statusRead:
        guard !isOnItsWay.exchange(true, ordering: .sequentiallyConsistent) else { return }
        while !mayArrive.load(ordering: .sequentiallyConsistent) { sleepFor(microseconds: 100) }
      default: break
      }
    }
  }

  @Test(arguments: [PersistenceModel.writeCombining, .uncached, .relaxed, .statusRead, .regionRead])
  func isNotTheBarrierOfWhoComesLater(_ model: PersistenceModel) throws {
    let observer = SlowRead()
    let live = ImageBuffer(count: 8 << 10)
    let medium = try live.medium(for: model, sharesBarriers: true, observer: observer)
    let failures = Locked(0)
    let write: @Sendable (Int) -> Void = { offset in
      let line = [UInt8](repeating: 0x11, count: lineSize)
      do {
        try unsafe line.withUnsafeBytes { try unsafe medium.write($0, at: offset, site: .record) }
        try medium.barrier(offset..<offset + lineSize, site: .record)
      } catch {
        failures.withLock { $0 += 1 }
      }
    }
    let first = Thread { write(0) }
    while !observer.isOnItsWay.load(ordering: .sequentiallyConsistent) { sleepFor(microseconds: 100) }
    let second = Thread { write(4096) }
    // It may lead a barrier of its own meanwhile; who takes the running one for its own waits here.
    sleepFor(microseconds: 20_000)
    observer.mayArrive.store(true, ordering: .sequentiallyConsistent)
    first?.join()
    second?.join()
    #expect(failures.withLock { $0 } == 0)
    var image = CrashImage(model: model, base: ImageBuffer(count: 8 << 10))
    for case .medium(let event, let thread) in observer.recorder.take() { image.apply(event, thread: thread) }
    #expect(image.units.isEmpty, "both were told that what they stored is durable")
    medium.unmap()
  }
}
