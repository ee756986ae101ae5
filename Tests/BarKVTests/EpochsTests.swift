import CBarKV
import Testing

@testable import BarKV

/// Readers' fences while the kernel takes its time to make them unnecessary.
@Suite struct EpochsTests {
  /// In a process with several threads the first store does not wait for the kernel: its readers fence until `membarrier`
  /// works, and go the quick way from then on.
  @Test func readsBecomeQuick() throws {
    let store = try Region(size: 64 << 10).create()
    try store.put("value", for: "key")
    var isQuick = false
    for _ in 0..<30_000 where !isQuick {
      #expect(try store.getString("key") == "value")
      if let line = unsafe store.epochs.enterQuickly() {
        unsafe Epochs.leave(line)
        isQuick = true
      } else {
        sleepFor(microseconds: 1000)
      }
    }
    #expect(isQuick || !barkv_membarrier_begin())
  }
}
