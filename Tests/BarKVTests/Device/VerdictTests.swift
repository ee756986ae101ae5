import Testing

@testable import BarKV

/// The verdict on a BAR, from values alone: what a fake tree cannot bring about, and what must hold for all.
@Suite struct VerdictTests {
  private static let good = BarRange(
    index: 2, address: 1 << 36, size: 1 << 30, isMemory: true, is64Bit: true, isPrefetchable: true,
    resourceFile: "/resource2", writeCombiningFile: "/resource2_wc", mayBeMapped: true)

  private static func circumstances() throws -> BarCircumstances {
    BarCircumstances(
      address: try #require(PCIAddress("0000:01:00.0")), directory: "/sys/bus/pci/devices/0000:01:00.0",
      isConfigurationKnown: true, isMemorySpaceEnabled: true, driver: nil, lockdown: nil)
  }

  private func judge(
    _ change: (inout BarRange, inout BarCircumstances) -> Void = { _, _ in }, memory: NVMeMemoryState? = nil
  ) throws -> BaseAddressRegister {
    var (range, circumstances) = (Self.good, try Self.circumstances())
    change(&range, &circumstances)
    return circumstances.judge(range, memory: memory)
  }

  @Test func permission() throws {
    let bar = try judge { range, _ in range.mayBeMapped = false }
    #expect(bar.verdict == .blocked && bar.findings.map(\.kind) == [.noPermission, .useUnknown])
    #expect(bar.findings[0].remedy != nil)
  }

  @Test func sizes() throws {
    let minimum = UInt64(Geometry.minimumRegionBytes)
    #expect(try judge { range, _ in range.size = minimum }.verdict == .ready)
    #expect(try judge { range, _ in range.size = minimum - 1 }.findings.map(\.kind) == [.tooSmall])
    #expect(try judge { range, _ in range.size = .max }.verdict == .ready)
  }

  /// Where nothing can be done, nobody is sent to unbind drivers.
  @Test func hopelessBarsNameNoRemedy() throws {
    let bar = try judge { range, circumstances in
      range.isPrefetchable = false
      circumstances.driver = "some"
      circumstances.isMemorySpaceEnabled = false
    }
    #expect(bar.findings.map(\.kind) == [.notPrefetchable] && bar.findings.allSatisfy { $0.remedy == nil })
  }

  @Test func severalObstaclesAreAllNamed() throws {
    let bar = try judge { range, circumstances in
      range.mayBeMapped = false
      circumstances.driver = "some"
      circumstances.isMemorySpaceEnabled = false
      circumstances.lockdown = .integrity
    }
    #expect(
      bar.findings.map(\.kind) == [.driverBound, .memorySpaceOff, .lockedDown, .noPermission, .useUnknown])
    #expect(bar.verdict == .blocked && bar.storeAddress == "pci:0000:01:00.0/2")
  }

  /// Only what the registers name a Persistent Memory Region is ever promised to be persistent.
  @Test func onlyAKnownRegionIsPersistent() throws {
    let region = PersistentMemoryRegion(
      capabilities: 4 << 5 | 1 << 11, control: 1, status: 0, elasticityBuffer: 0, throughput: 0)
    let memory = NVMeMemoryState.read(
      try #require(NVMeMemory { [0x04: 1 << 24, 0xE00: region.capabilities, 0xE04: 1][$0] ?? 0 }))
    for index in 0..<6 {
      for state in [nil, .unread("some reason"), memory] {
        let bar = try judge({ range, _ in range.index = index }, memory: state)
        #expect((bar.bestLevel == .persistent) == (index == 4 && state == memory))
        #expect((bar.storeAddress?.hasPrefix("pmr:") == true) == (index == 4 && state == memory))
        #expect((bar.verdict == .unsuitable) == (index == 0 && state != nil))
        #expect((bar.storeAddress == nil) == (bar.verdict == .unsuitable || state == .unread("some reason")))
        #expect((bar.bestLevel == nil) == (bar.storeAddress == nil))
      }
    }
  }

  /// A Persistent Memory Region that claims to be in the registers' BAR does not make a store's place of them.
  @Test func aRegionInTheRegistersBar() throws {
    let memory = NVMeMemoryState.read(
      try #require(NVMeMemory { [0x04: 1 << 24, 0xE00: 0 << 5 | 1 << 11, 0xE04: 1][$0] ?? 0 }))
    let bar = try judge({ range, _ in range.index = 0 }, memory: memory)
    #expect(bar.use == .registers && bar.verdict == .unsuitable)
  }

  @Test func theWorstFindingDecides() {
    typealias Kind = BaseAddressRegister.Finding.Kind
    for verdict in BaseAddressRegister.Verdict.allCases {
      #expect(Kind.allCases.contains { $0.verdict == verdict })
    }
    func bar(_ kinds: [Kind]) -> BaseAddressRegister {
      BaseAddressRegister(
        index: 0, address: 0, size: 0, isMemory: true, is64Bit: true, isPrefetchable: true, resourceFile: nil,
        writeCombiningFile: nil, use: .unknown, findings: kinds.map { .init($0, "") }, storeAddress: nil)
    }
    #expect(bar([]).verdict == .ready && bar([.useUnknown]).verdict == .ready)
    #expect(bar([.driverBound, .useUnknown]).verdict == .blocked)
    #expect(bar([.useUnknown, .tooSmall, .driverBound]).verdict == .unsuitable)
  }
}
