import Testing

@testable import BarKV

/// What registers say, bit by bit, from NVMe's tables.
@Suite struct NVMeMemoryTests {
  private func region(
    capabilities: UInt32 = 0, control: UInt32 = 0, status: UInt32 = 0, buffer: UInt32 = 0, throughput: UInt32 = 0
  ) -> PersistentMemoryRegion {
    PersistentMemoryRegion(
      capabilities: capabilities, control: control, status: status, elasticityBuffer: buffer, throughput: throughput)
  }

  @Test func nothingIsSet() {
    let region = region()
    #expect(!region.commandsMayRead && !region.commandsMayWrite && !region.supportsControllerAddresses)
    #expect(!region.memoryReadIsBarrier && !region.statusReadIsBarrier)
    #expect(!region.isEnabled && !region.isReady && !region.controllerAddressIsInvalid && !region.readsBypassBuffer)
    #expect(region.barIndex == 0 && region.errorCode == 0 && region.timeoutMilliseconds == 0)
    #expect(region.health == .normal)
    #expect(region.elasticityBufferSize == 0 && region.sustainedWriteBytesPerSecond == 0)
  }

  /// Each bit of PMRCAP alone changes what it should and nothing else.
  @Test func capabilitiesBitByBit() {
    func shown(_ word: UInt32) -> [Int] {
      let region = region(capabilities: word)
      return [
        region.commandsMayRead ? 1 : 0, region.commandsMayWrite ? 1 : 0, region.barIndex,
        region.timeoutMilliseconds ?? -1, region.memoryReadIsBarrier ? 1 : 0, region.statusReadIsBarrier ? 1 : 0,
        region.supportsControllerAddresses ? 1 : 0,
      ]
    }
    var expected: [Int: (field: Int, value: Int)] = [
      3: (0, 1), 4: (1, 1), 5: (2, 1), 6: (2, 2), 7: (2, 4), 9: (3, -1), 10: (4, 1), 11: (5, 1), 24: (6, 1),
    ]
    for bit in 16..<24 { expected[bit] = (3, 500 << (bit - 16)) }
    for bit in 0..<32 {
      var fields = [0, 0, 0, 0, 0, 0, 0]
      if let (field, value) = expected[bit] { fields[field] = value }
      #expect(shown(1 << UInt32(bit)) == fields, "bit \(bit)")
    }
  }

  @Test func timeoutsInMinutes() {
    #expect(region(capabilities: 0xFF << 16).timeoutMilliseconds == 127_500)
    #expect(region(capabilities: 2 << 16 | 1 << 8).timeoutMilliseconds == 120_000)
    #expect(region(capabilities: 2 << 16 | 3 << 8).timeoutMilliseconds == nil)
  }

  @Test func status() {
    #expect(region(status: 0x1FF).errorCode == 0xFF)
    #expect(region(control: 1).isReady)
    #expect(!region(control: 1, status: 0x100).isReady)
    #expect(!region(control: 0xFFFF_FFFE).isEnabled)
    #expect(region(status: 1 << 12).controllerAddressIsInvalid)
    #expect(region(status: 1 << 12).health == .normal)
    for health in PersistentMemoryRegion.Health.allCases {
      #expect(region(status: UInt32(health.rawValue) << 9).health == health)
    }
    for reserved in UInt32(4)...7 { #expect(region(status: reserved << 9).health == nil) }
  }

  @Test func sizesAndSpeeds() {
    for (unit, shift) in [(0, 0), (1, 10), (2, 20), (3, 30)] as [(UInt32, UInt64)] {
      #expect(region(buffer: 0xFFFF_FF00 | unit).elasticityBufferSize == 0xFF_FFFF << shift)
      #expect(region(throughput: 5 << 8 | unit).sustainedWriteBytesPerSecond == 5 << shift)
    }
    for reserved in UInt32(4)...15 {
      #expect(region(buffer: 1 << 8 | reserved).elasticityBufferSize == nil)
      #expect(region(throughput: 1 << 8 | reserved).sustainedWriteBytesPerSecond == nil)
    }
    #expect(region(buffer: 1 << 8 | 1 << 4).elasticityBufferSize == 1)
    #expect(region(buffer: 1 << 4).readsBypassBuffer)
  }

  @Test func controllerMemoryBuffer() {
    let buffer = ControllerMemoryBuffer(location: 0xFFFF_F002, extent: 16 << 12 | 2 << 8 | 0x1F)
    #expect(buffer.isLocated && buffer.barIndex == 2 && buffer.size == 16 << 20)
    #expect(ControllerMemoryBuffer(location: 7, extent: 0xFFFF_F600).size == 0xF_FFFF << 36)
    #expect(ControllerMemoryBuffer(location: 7, extent: 1 << 12).size == 4096)
    #expect(ControllerMemoryBuffer(location: 7, extent: 1 << 12 | 7 << 8).size == nil)
    let hidden = ControllerMemoryBuffer(location: 2, extent: 0xFFF)
    #expect(!hidden.isLocated && hidden.barIndex == nil && hidden.size == nil)
  }

  // MARK: Which of them there are

  private func decoded(_ words: [Int: UInt32]) -> NVMeMemory? {
    NVMeMemory { words[$0] ?? 0 }
  }

  @Test func neither() throws {
    let memory = try #require(decoded([0x00: 0x0F01_07FF, 0x04: 0xFCFF_FFFF]))
    #expect(memory.persistentMemoryRegion == nil && memory.controllerMemoryBuffer == nil)
  }

  /// CAP has PMRS as bit 56 and CMBS as bit 57.
  @Test func oneOrTheOther() throws {
    let persistent = try #require(decoded([0x04: 1 << 24, 0xE00: 4 << 5]))
    #expect(persistent.persistentMemoryRegion?.barIndex == 4 && persistent.controllerMemoryBuffer == nil)
    let volatile = try #require(decoded([0x04: 1 << 25, 0x38: 2, 0x3C: 1 << 12]))
    #expect(volatile.persistentMemoryRegion == nil && volatile.controllerMemoryBuffer?.barIndex == 2)
  }

  @Test func aBufferOfAnOldController() throws {
    #expect(try #require(decoded([0x38: 2, 0x3C: 1 << 12])).controllerMemoryBuffer?.barIndex == 2)
  }

  @Test func whatDoesNotAnswer() {
    #expect(NVMeMemory { _ in .max } == nil)
    #expect(decoded([0x04: 1 << 24, 0xE00: .max]) == nil)
    #expect(decoded([0x04: 1 << 24, 0xE08: .max]) == nil)
  }

  /// Where there is no PMR its registers are reserved, and nobody reads them.
  @Test func onlyWhatIsThereIsRead() {
    var asked: Set<Int> = []
    _ = NVMeMemory { offset in
      asked.insert(offset)
      return 0
    }
    #expect(asked == [0x00, 0x04, 0x38, 0x3C])
    asked = []
    _ = NVMeMemory { offset in
      asked.insert(offset)
      return offset == 0x04 ? 1 << 24 : 0
    }
    #expect(asked == [0x00, 0x04, 0x38, 0x3C, 0xE00, 0xE04, 0xE08, 0xE0C, 0xE10])
    #expect(asked.allSatisfy { $0 + 4 <= RegisterPage.length })
  }
}
