import Testing

@testable import BarKV

/// A recovery that is cut off at any of its steps: the next open decides as it would have.
@Suite struct InterruptedRecoveryTests {
  /// Stops at an event, as a process that is killed there does.
  private final class Stopping: MediumObserver {
    let region: Region
    private let left: Locked<Int>

    init(_ region: Region, after events: Int) {
      self.region = region
      left = Locked(events)
    }

    func observe(_ event: MediumEvent) throws(StoreError) {
      let stops = left.withLock { left in
        left -= 1
        return left < 0
      }
      if stops { throw .deviceLost("a test") }
      try region.observe(event)
    }
  }

  @Test(arguments: [SampleImage.closed, .open, .mostlyExtents]) func atEveryStep(sample: SampleImage) throws {
    var events = 0
    while true {
      let stopping = Stopping(Region(image: sample.bytes), after: events)
      let medium = try Medium.memory(image: sample.bytes, observer: stopping)
      let store: Store?
      do throws(StoreError) {
        store = try Recovery.open(medium, path: "memory", access: .readWrite, options: StoreOptions())
      } catch {
        #expect(error == .deviceLost("a test"))
        medium.unmap()
        store = nil
      }
      let left = stopping.region.copy()
      let again = try left.open()
      try again.expect(sample.contents, "after \(events) events")
      #expect(again.recovery.damageCount == 0)
      try again.put("value", for: "new")
      try again.close()
      #expect(try left.open().getString("new") == "value")
      if store != nil { break }
      events += 1
    }
    #expect(events >= 2, "nothing was interrupted")
  }
}
