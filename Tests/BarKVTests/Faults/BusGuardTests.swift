import CBarKV
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The SIGBUS handler leaves the rest of the program alone. Each case is a process of its own; see `BusCheck`.
@Suite struct BusGuardTests {
  private func run(_ scenario: String) throws -> (output: String, end: ChildProcess.Termination) {
    let file = TemporaryFile()
    let process = try ChildProcess(["bus", file.path, scenario], environment: ["SWIFT_BACKTRACE": "enable=no"])
    let output = String(decoding: process.readAll(), as: UTF8.self)
    return try (output, process.wait())
  }

  /// Addresses of others go to the handler that was there before, with either signature, and the store's do not.
  @Test(arguments: ["chain", "chain-information"]) func theProgramsHandlerIsKept(scenario: String) throws {
    let (output, end) = try run(scenario)
    #expect(output == "done\n")
    #expect(end == .exit(0))
  }

  @Test(arguments: ["foreign", "sent"]) func withoutAHandlerTheSignalEndsTheProcess(scenario: String) throws {
    let (output, end) = try run(scenario)
    #expect(output == "open\n")
    #expect(end == .signal(SIGBUS))
  }

  @Test func anIgnoredSignalIsIgnored() throws {
    let (output, end) = try run("ignored")
    #expect(output == "done\n")
    #expect(end == .exit(0))
  }

  @Test func anIgnoredFaultEndsTheProcess() throws {
    let (output, end) = try run("ignored-fault")
    #expect(output == "open\n")
    #expect(end == .signal(SIGBUS))
  }

  /// In a forked child the regions are nobody's, and a store of its own is guarded.
  @Test func aForkedChild() throws {
    let (output, end) = try run("fork")
    #expect(output == "done\n")
    #expect(end == .exit(0))
  }

  @Test func aRegionIsGuardedWhileItIsOpen() throws {
    let file = TemporaryFile()
    let store = try Store.create(at: file.address, size: 1 << 20)
    let start = unsafe try #require(unsafe store.medium.bytes.baseAddress)
    #expect(unsafe !barkv_bus_fault(start - 1, Int32(BARKV_BUS_GONE), 0))
    #expect(unsafe !barkv_bus_fault(start + 1 << 20, Int32(BARKV_BUS_GONE), 0))
    try store.close()
    #expect(unsafe !barkv_bus_fault(start, Int32(BARKV_BUS_GONE), 0))
    #expect(unsafe !barkv_bus_fault(start + 4096, Int32(BARKV_BUS_POISON), 12))
  }

  /// Places in the table are given back.
  @Test func manyStoresOneAfterAnother() throws {
    let file = TemporaryFile()
    try Store.create(at: file.address, size: 8 << 10).close()
    for _ in 0..<1200 { try Store.open(at: file.address, access: .readOnly).close() }
    #expect(storeError { _ = try Store.open(at: StoreAddress(path: file.path + ".absent")) } != nil)
  }
}
