import BarKV
import Testing

@testable import PeerDevices

/// The driver against a controller that is a thread, on files that stand for BARs.
@Suite struct NVMeControllerTests {
  private func range(_ offset: Int, _ length: Int) throws -> BusRange {
    try #require(BusRange(start: Bench.targetAddress + UInt64(offset), length: length))
  }

  private func failure(_ body: () throws -> Void) -> PeerError? {
    do { try body() } catch { return error as? PeerError }
    return nil
  }

  @Test func whatItSaysOfItself() throws {
    let bench = try Bench()
    let (controller, namespace) = try bench.open()
    #expect(controller.identity.model == "Fake" && controller.identity.canCompare)
    #expect(controller.identity.chunkBytes == 32 << 10)
    #expect(namespace.blockCount == 4096 && namespace.blockBytes == 512)
    #expect(failure { _ = try controller.namespace(2) } != nil)
    try controller.close()
  }

  /// Random ranges in random pieces, several at a time: each byte arrives where it belongs, and none elsewhere.
  @Test func readsArriveWhereTheyBelong() throws {
    print("readsArriveWhereTheyBelong: BARKV_SEED=\(baseSeed)")
    var generator = SeededGenerator(seed: baseSeed)
    let bench = try Bench(.init(answersBackwards: generator.next() % 2 == 0), seed: baseSeed)
    let (controller, namespace) = try bench.open()
    var expected = [UInt8](repeating: 0, count: Bench.targetBytes)
    try bench.memory.write(expected, at: 0)
    // Each transfer has a window of its own, so that all can go on at a time.
    let window = Bench.targetBytes / 8
    for _ in 0..<6 {
      var tokens: [NVMeTransferToken] = []
      for number in 0..<8 {
        let blocks = Int.random(in: 1...512, using: &generator)
        let first = Int.random(in: 0...namespace.blockCount.asInt - blocks, using: &generator)
        let start = number * window + 4 * Int.random(in: 0..<1024, using: &generator)
        let pieces = try cut(start, blocks * 512, &generator)
        tokens.append(try controller.begin(.read, namespace, firstBlock: UInt64(first), memory: pieces))
        let bytes = bench.blocks[first * 512..<(first + blocks) * 512]
        expected.replaceSubrange(start..<start + bytes.count, with: bytes)
      }
      for token in tokens.shuffled(using: &generator) { try controller.wait(for: token) }
      #expect(try bench.memory.read(0, Bench.targetBytes) == expected)
    }
    #expect(bench.controller.commandCount == controller.commandCount && bench.controller.problem == nil)
    try controller.close()
  }

  /// A range in pieces that end at pages.
  private func cut(_ start: Int, _ length: Int, _ generator: inout SeededGenerator) throws -> [BusRange] {
    var pieces: [BusRange] = []
    var at = start
    while at < start + length {
      let page = (at / 4096 + 1 + Int.random(in: 0..<20, using: &generator)) * 4096
      let end = min(start + length, page)
      pieces.append(try range(at, end - at))
      at = end
    }
    return pieces
  }

  @Test func writesAndComparisons() throws {
    let bench = try Bench()
    let (controller, namespace) = try bench.open()
    var generator = SeededGenerator(seed: 7)
    let value = generator.bytes(100 << 10)
    try bench.memory.write(value, at: 8192)
    let place = [try range(8192, value.count)]
    try controller.wait(for: controller.begin(.write, namespace, firstBlock: 100, memory: place))
    try controller.flush(namespace)
    #expect(Array(bench.controller.disk[51_200..<51_200 + value.count]) == value)
    try controller.wait(for: controller.begin(.compare, namespace, firstBlock: 100, memory: place))
    try bench.memory.write([value[70_000] ^ 1], at: 8192 + 70_000)
    #expect(
      failure { try controller.wait(for: controller.begin(.compare, namespace, firstBlock: 100, memory: place)) }
        == .commandFailed(command: "compare", type: NVMeStatus.mediaError, code: NVMeStatus.compareFailure))
    // Whoever was told of an error goes on.
    try controller.wait(for: controller.begin(.write, namespace, firstBlock: 100, memory: place))
  }

  @Test func whatIsRefused() throws {
    let bench = try Bench()
    let (controller, namespace) = try bench.open()
    let before = bench.controller.commandCount
    let cases: [(UInt64, [BusRange])] = [
      (4096, [try range(0, 512)]), (4095, [try range(0, 1024)]), (.max, [try range(0, 512)]), (0, []),
      (0, [try range(0, 100)]), (0, [try range(2, 512)]), (0, [try range(0, 512), try range(4096, 512)]),
      (0, [try range(0, 4096), try range(4100, 512)]),
      (0, [try #require(BusRange(start: 0, length: .max))]),
      (0, [try #require(BusRange(start: 0, length: .max)), try #require(BusRange(start: 0, length: .max))]),
    ]
    for (block, memory) in cases {
      let error = failure { _ = try controller.begin(.read, namespace, firstBlock: block, memory: memory) }
      guard case .invalidRequest = error else {
        Issue.record("block \(block), \(memory): \(String(describing: error))")
        continue
      }
    }
    #expect(bench.controller.commandCount == before)
    let token = try controller.begin(.read, namespace, firstBlock: 0, memory: [range(0, 512)])
    try controller.wait(for: token)
    guard case .invalidRequest = failure({ try controller.wait(for: token) }) else {
      Issue.record("a transfer can be waited for twice")
      return
    }
  }

  @Test func aControllerThatMisbehaves() throws {
    #expect(
      failure { _ = try Bench(.init(neverReady: true)).open() }
        == .timedOut("enabling the controller", milliseconds: 1000))
    guard case .invalidRequest = failure({ _ = try Bench(.init(hasMetadata: true)).open() }) else {
      Issue.record("blocks with metadata are taken")
      return
    }
    let failing = try Bench(.init(ioStatus: 0x81))
    var (controller, namespace) = try failing.open()
    let place = [try range(0, 100 << 10)]
    #expect(
      failure { try controller.wait(for: controller.begin(.read, namespace, firstBlock: 0, memory: place)) }
        == .commandFailed(command: "read", type: 0, code: 0x81))
    let silent = try Bench(.init(isSilent: true))
    (controller, namespace) = try silent.open()
    controller.commandMilliseconds = 50
    #expect(
      failure { try controller.wait(for: controller.begin(.read, namespace, firstBlock: 0, memory: place)) }
        == .timedOut("a read of 102400 bytes", milliseconds: 50))
    let confused = try Bench(.init(wrongIdentifiers: true))
    (controller, namespace) = try confused.open()
    guard
      case .controllerFailed = failure({
        try controller.wait(for: controller.begin(.read, namespace, firstBlock: 0, memory: place))
      })
    else {
      Issue.record("an answer to nothing is taken")
      return
    }
  }

  @Test func aControllerThatIsGone() throws {
    let bench = try Bench()
    let (controller, _) = try bench.open()
    bench.controller.stop()
    try DeviceFile(bench.sysfs.path(Bench.disk, "resource0")).setWord(0xFFFF_FFFF, at: 0x1C)
    #expect(failure { try controller.close() } == .gone("\(Bench.disk)/0"))
  }

  @Test func devicesThatAreRefused() throws {
    let bench = try Bench()
    let memory = try DeviceMemory(function: #require(PCIAddress(Bench.queues)), bar: 2, sysfs: bench.sysfs.root)
    func open(_ address: String) -> PeerError? {
      failure {
        _ = try NVMeController.open(
          #require(PCIAddress(address)), queues: memory, unbindingDriver: false, sysfs: bench.sysfs.root)
      }
    }
    func isUnusable(_ error: PeerError?) -> Bool {
      if case .unusable = error { return true }
      return false
    }
    guard case .noSuchDevice = open("0000:09:00.0") else {
      Issue.record("there is no such device")
      return
    }
    // No controller; one with a driver; one behind an IOMMU.
    #expect(isUnusable(open(Bench.target)))
    try bench.sysfs.add(.nvme("0000:04:00.0", driver: "nvme"))
    #expect(isUnusable(open("0000:04:00.0")))
    try bench.sysfs.add(.nvme("0000:05:00.0"))
    #expect(isUnusable(open("0000:05:00.0")))
    // The memory is locked, as that of an open store is.
    #expect(
      failure { _ = try DeviceMemory(function: #require(PCIAddress(Bench.queues)), bar: 2, sysfs: bench.sysfs.root) }
        == .busy("\(Bench.queues)/2"))
    // Memory that holds something is nobody's to take.
    try bench.memory.write([0x42, 0x61, 0x72, 0x4B, 0x56, 0x0D, 0x0A, 0x1A], at: 0)
    #expect(
      isUnusable(
        failure { _ = try DeviceMemory(function: #require(PCIAddress(Bench.target)), bar: 2, sysfs: bench.sysfs.root) })
    )
    #expect(try bench.memory.read(0, 8) == [0x42, 0x61, 0x72, 0x4B, 0x56, 0x0D, 0x0A, 0x1A])
  }
}

extension UInt64 {
  fileprivate var asInt: Int { Int(clamping: self) }
}
