import Synchronization
import Testing

@testable import BarKV

/// Whether this process may have a mirror at all.
private func mirrorsAreGranted() -> Bool {
  let device = unsafe allocateLines(bytes: Mirror.pageBytes)
  defer { unsafe device.deallocate() }
  guard let mirror = unsafe try? Mirror(of: device, length: Mirror.pageBytes, budget: Mirror.pageBytes) else {
    return false
  }
  mirror.close()
  return true
}

/// The copy in DRAM of a region that is slow to read. A system that grants no mirror has nothing to test here.
@Suite(.enabled(if: mirrorsAreGranted(), "the system grants no userfaultfd")) struct MirrorTests {
  private static let page = Mirror.pageBytes

  /// A device, which is memory, and its mirror.
  @safe
  private final class Copy {
    let mirror: Mirror
    let device: UnsafeMutableRawPointer
    let checks: Locked<Int>

    init(pages: Int, budget: Int) throws {
      let checks = Locked(0)
      self.checks = checks
      unsafe device = allocateLines(bytes: pages * page)
      mirror = try unsafe Mirror(of: device, length: pages * page, budget: budget * page)
      try mirror.start { checks.withLock { $0 += 1 } }
    }

    deinit {
      mirror.close()
      unsafe device.deallocate()
    }

    func read(_ offset: Int) -> UInt8 { unsafe mirror.memory.load(fromByteOffset: offset, as: UInt8.self) }

    func setDevice(_ byte: UInt8, at offset: Int) {
      unsafe device.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }

    /// As the store writes: to the device, then to the mirror.
    func write(_ byte: UInt8, at offset: Int) {
      let line = [UInt8](repeating: byte, count: lineSize)
      unsafe line.withUnsafeBytes { line in
        unsafe (device + offset).copyMemory(from: line.baseAddress!, byteCount: line.count)
        unsafe mirror.write(line, at: offset)
      }
    }
  }

  @Test func aPageIsReadWhenItIsTouched() throws {
    let copy = try Copy(pages: 64, budget: 64)
    copy.setDevice(1, at: 5 * Self.page + 7)
    #expect(copy.mirror.statistics.filledBytes == 0)
    #expect(copy.read(5 * Self.page + 7) == 1)
    #expect(copy.mirror.statistics.filledBytes == UInt64(Self.page) && copy.checks.withLock { $0 } == 1)
    // It is a copy: what the device says later is not seen, unless it is written through.
    copy.setDevice(2, at: 5 * Self.page + 7)
    #expect(copy.read(5 * Self.page + 7) == 1)
    copy.write(3, at: 5 * Self.page)
    #expect(copy.read(5 * Self.page + 7) == 3 && copy.read(5 * Self.page + 64) == 0)
    #expect(copy.checks.withLock { $0 } == 1)
  }

  @Test func aWriteTouchesNoPageThatIsNotThere() throws {
    let copy = try Copy(pages: 64, budget: 64)
    copy.write(1, at: 3 * Self.page)
    #expect(copy.mirror.statistics.filledBytes == 0)
    #expect(copy.read(3 * Self.page) == 1)
  }

  @Test func whoReadsOnIsReadAhead() throws {
    let copy = try Copy(pages: 64, budget: 64)
    for page in 0..<64 { copy.setDevice(UInt8(page), at: page * Self.page) }
    for page in 0..<64 { #expect(copy.read(page * Self.page) == UInt8(page)) }
    #expect(copy.mirror.statistics.filledBytes == UInt64(64 * Self.page))
    #expect(copy.checks.withLock { $0 } <= 6)
  }

  @Test func theBudgetHolds() throws {
    let copy = try Copy(pages: 200, budget: 40)
    for page in 0..<200 { copy.setDevice(UInt8(page), at: page * Self.page) }
    // From the end, so that nothing is read ahead.
    for _ in 0..<3 {
      for page in (0..<200).reversed() {
        #expect(copy.read(page * Self.page) == UInt8(page))
        #expect(copy.mirror.statistics.residentBytes <= UInt64(41 * Self.page))
      }
    }
    let statistics = copy.mirror.statistics
    #expect(statistics.droppedBytes > 0 && statistics.filledBytes > UInt64(200 * Self.page))
    // A page that was dropped has what was written while it was not there.
    copy.write(255, at: 199 * Self.page)
    #expect(copy.read(199 * Self.page) == 255)
  }

  @Test func allIsDropped() throws {
    let copy = try Copy(pages: 16, budget: 40)
    _ = copy.read(0)
    copy.setDevice(9, at: 0)
    copy.mirror.dropAll()
    #expect(copy.mirror.statistics.residentBytes == 0)
    #expect(copy.read(0) == 9)
  }

  /// Pages come and go under writers and readers: whoever has written a line reads it.
  @Test func writersReadersAndDrops() throws {
    let copy = try Copy(pages: 256, budget: 32)
    let failures = Locked(0)
    let (mirror, device) = unsafe (copy.mirror, UInt(bitPattern: copy.device))
    let threads = (0..<4).map { number in
      Thread {
        var generator = SeededGenerator(seed: UInt64(number))
        // Each thread has lines of its own, on pages that all have.
        var expected = [UInt8](repeating: 0, count: 256)
        for round in 0..<3000 {
          let page = Int(generator.next() % 256)
          let offset = page * Self.page + number * lineSize
          if round % 2 == 0 {
            expected[page] = UInt8(truncatingIfNeeded: round)
            let line = [UInt8](repeating: expected[page], count: lineSize)
            unsafe line.withUnsafeBytes { line in
              unsafe (UnsafeMutableRawPointer(bitPattern: device)! + offset)
                .copyMemory(from: line.baseAddress!, byteCount: line.count)
              unsafe mirror.write(line, at: offset)
            }
          }
          for byte in [0, 63]
          where unsafe mirror.memory.load(fromByteOffset: offset + byte, as: UInt8.self) != expected[page] {
            failures.withLock { $0 += 1 }
          }
        }
      }
    }
    for thread in threads { thread?.join() }
    #expect(failures.withLock { $0 } == 0)
    #expect(mirror.statistics.droppedBytes > 0)
    withExtendedLifetime(copy) {}
  }

  // MARK: Under a store

  private func options(mirrorBytes: Int = 256 << 10) -> StoreOptions {
    var options = StoreOptions()
    options.mirrorBytes = mirrorBytes
    return options
  }

  private func store(image: [UInt8], mirrorBytes: Int) throws -> Store {
    try Store.create(
      on: Medium.memory(image: image, domain: .readBack, mirrorBytes: mirrorBytes),
      geometry: Geometry(regionBytes: image.count, segmentSize: nil), path: "memory", options: StoreOptions())
  }

  @Test func aStore() throws {
    let store = try store(image: [UInt8](repeating: 0, count: 4 << 20), mirrorBytes: 1 << 20)
    for number in 0..<5000 { try store.put(value(number, length: 300), for: key(number)) }
    let beforeReading = try #require(store.statistics.mirror)
    for number in 0..<5000 { #expect(try store.get(key(number)) == value(number, length: 300)) }
    for number in 0..<5000 where number % 3 == 0 { try store.put(value(number + 1, length: 200), for: key(number)) }
    for number in (0..<5000).reversed() {
      let expected = number % 3 == 0 ? value(number + 1, length: 200) : value(number, length: 300)
      #expect(try store.get(key(number)) == expected)
    }
    let statistics = try #require(store.statistics.mirror)
    #expect(statistics.budgetBytes == 1 << 20 && statistics.residentBytes <= (1 << 20) + 65536)
    #expect(statistics.filledBytes > beforeReading.filledBytes && statistics.droppedBytes > 0)
    #expect(try store.verify().isSound)
    try store.close()
  }

  /// What is read again costs the device nothing.
  @Test func aGetDoesNotReadTheDevice() throws {
    let store = try store(image: [UInt8](repeating: 0, count: 1 << 20), mirrorBytes: 4 << 20)
    for number in 0..<500 { try store.put(value(number, length: 100), for: key(number)) }
    for number in 0..<500 { #expect(try store.get(key(number)) == value(number, length: 100)) }
    let statistics = store.statistics.mirror
    for _ in 0..<3 { for number in 0..<500 { #expect(try store.get(key(number)) == value(number, length: 100)) } }
    #expect(store.statistics.mirror == statistics)
  }

  @Test func readersAndWriters() throws {
    let store = try store(image: [UInt8](repeating: 0, count: 4 << 20), mirrorBytes: 256 << 10)
    let failures = Locked<[String]>([])
    let threads = (0..<4).map { number in
      Thread {
        do {
          for round in 0..<600 {
            let name = "\(number) \(round % 50)"
            try store.put("\(round) of \(number)", for: name)
            if try store.getString(name) != "\(round) of \(number)" { failures.withLock { $0.append(name) } }
            // Another's: whatever it is, it is whole.
            if let other = try store.getString("\((number + 1) % 4) \(round % 50)"),
              !other.hasSuffix(" of \((number + 1) % 4)")
            {
              failures.withLock { $0.append(other) }
            }
          }
        } catch {
          failures.withLock { $0.append("\(error)") }
        }
      }
    }
    for thread in threads { thread?.join() }
    #expect(failures.withLock { $0 } == [])
    #expect(try store.verify().isSound)
  }

  /// `verify` looks at the device, not at the copy.
  @Test func verifyReadsTheDevice() throws {
    let sysfs = try FakeSysfs()
    try sysfs.add(.init(address: "0000:03:00.0", bars: [.init(index: 2, size: 1 << 20)]))
    var options = options()
    options.sysfs = sysfs.root
    let store = try Store.create(at: "pci:0000:03:00.0/2", options: options)
    for number in 0..<100 { try store.put(value(number, length: 100), for: key(number)) }
    #expect(try store.verify().isSound)
    let pattern = value(50, length: 100)
    let bytes = try sysfs.bytes("0000:03:00.0", "resource2", 0..<(1 << 20))
    let place = try #require(positions(of: pattern, in: bytes).first)
    try sysfs.overwrite([~pattern[0]], at: place, "0000:03:00.0", "resource2")
    #expect(try !store.verify().isSound)
  }

  /// What answers with ones, or raises a signal, fills no page in silence.
  @Test(arguments: [true, false]) func aFillFindsTheDeviceGone(answersWithOnes: Bool) throws {
    let sysfs = try FakeSysfs()
    try sysfs.add(.init(address: "0000:03:00.0", bars: [.init(index: 2, size: 1 << 20)]))
    var options = options(mirrorBytes: 128 << 10)
    options.sysfs = sysfs.root
    let store = try Store.create(at: "pci:0000:03:00.0/2", options: options)
    for number in 0..<1200 { try store.put(value(number, length: 200), for: key(number)) }
    for number in 0..<1200 { #expect(try store.get(key(number)) == value(number, length: 200)) }
    if answersWithOnes {
      try sysfs.overwrite([UInt8](repeating: 0xFF, count: 1 << 20), at: 0, "0000:03:00.0", "resource2")
    } else {
      try Files.truncate(sysfs.path("0000:03:00.0", "resource2"), to: 0)
    }
    var wrong = 0
    var errors: Set<String> = []
    for number in 0..<1200 {
      do throws(StoreError) {
        if try store.get(key(number)) != value(number, length: 200) { wrong += 1 }
      } catch {
        errors.insert("\(error)")
      }
    }
    #expect(wrong == 0 && errors == ["\(StoreError.deviceLost("the device no longer answers"))"])
  }
}
