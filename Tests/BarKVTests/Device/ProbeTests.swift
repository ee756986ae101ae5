import Testing

@testable import BarKV

/// Measuring what a store's place costs, which changes nothing there.
@Suite struct ProbeTests {
  @Test func besideWriters() throws {
    let file = TemporaryFile()
    let store = try Store.create(at: file.address, size: 4 << 20)
    let failures = Locked<[String]>([])
    let writer = Thread {
      for number in 0..<5000 {
        do { try store.put(value(number, length: 100), for: key(number)) } catch {
          failures.withLock { $0.append("\(error)") }
        }
      }
    }
    let report = try store.probe()
    #expect(report.persistence == store.persistence && report.region == nil)
    #expect(report.parts == store.mapping && report.parts.map(\.range) == [0..<(4 << 20)])
    #expect(report.barrier.count > 0 && report.barrier.median <= report.barrier.percentile99)
    #expect(report.barrier.percentile99 <= report.barrier.maximum)
    #expect(report.storedBytesPerSecond > 0 && report.readBytesPerSecond > 0)
    writer?.join()
    #expect(failures.withLock { $0 } == [])
    #expect(try store.verify().isSound)
    try store.close()
    let again = try Store.open(at: file.address)
    #expect(again.recovery.wasClosed && again.recovery.damageCount == 0)
    #expect(again.count == 5000)
  }

  @Test func whoMayNot() throws {
    let file = TemporaryFile()
    let store = try Store.create(at: file.address, size: 1 << 20)
    let before = try Files.read(file.path)
    _ = try store.probe()
    #expect(try Files.read(file.path) == before)
    try store.close()
    #expect(storeError { _ = try store.probe() } == .closed)
    let reader = try Store.open(at: file.address, access: .readOnly)
    #expect(storeError { _ = try reader.probe() } == .readOnly)
  }

  /// The parts of a BAR, as they are mapped.
  @Test func theParts() throws {
    let sysfs = try FakeSysfs()
    try sysfs.add(.init(address: "0000:03:00.0", bars: [.init(index: 2, size: 1 << 20)]))
    var options = StoreOptions()
    options.sysfs = sysfs.root
    let store = try Store.create(at: "pci:0000:03:00.0/2", options: options)
    #expect(
      store.mapping == [
        MappedPart(range: 0..<4096, memoryType: .uncached, isVerified: false),
        MappedPart(range: 4096..<(1 << 20), memoryType: .writeCombining, isVerified: false),
      ])
  }
}
