import CBarKV
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Settings and sizes: what is refused, and what they do.
@Suite struct OptionsTests {
  private static func options(_ change: (inout StoreOptions) -> Void) -> StoreOptions {
    var options = StoreOptions()
    change(&options)
    return options
  }

  @Test func outOfRange() throws {
    let file = TemporaryFile()
    let store = try Store.create(at: file.address, size: 1 << 20)
    try store.close()
    let bad = [
      Self.options { $0.maximumLanes = 0 }, Self.options { $0.maximumLanes = 65 },
      Self.options { $0.maximumLanes = .min }, Self.options { $0.deferredBytes = -1 },
      Self.options { $0.deferredBytes = (1 << 30) + 1 },
    ]
    for options in bad {
      let other = TemporaryFile()
      for error in [
        storeError { _ = try Store.create(at: other.address, size: 1 << 20, options: options) },
        storeError { _ = try Store.open(at: file.address, options: options) },
      ] {
        guard case .invalidOption = error else {
          Issue.record("\(options) gives \(String(describing: error))")
          continue
        }
      }
      #expect(!Files.exists(other.path))
    }
  }

  @Test(arguments: [0, -1, 1000, 1023, 1 << 9, 3 << 10, 1 << 27, Int.max, Int.min]) func segmentSizes(size: Int) throws
  {
    let file = TemporaryFile()
    let error = storeError {
      _ = try Store.create(at: file.address, size: 1 << 20, options: Self.options { $0.segmentSize = size })
    }
    guard case .invalidOption = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!Files.exists(file.path))
  }

  @Test(arguments: [0, -1, Int.min, Int.max, 1, 8191, 8 << 10 - 64, (8 << 10) + 1, (1 << 20) + 32, (1 << 46) + 64])
  func sizes(size: Int) throws {
    let file = TemporaryFile()
    let error = storeError { _ = try Store.create(at: file.address, size: size) }
    guard case .invalidSize(bytes: size, reason: _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!Files.exists(file.path))
  }

  @Test func creatingDoesNotOverwrite() throws {
    let file = TemporaryFile()
    try Files.write(Array("something else".utf8), to: file.path)
    #expect(storeError { _ = try Store.create(at: file.address, size: 1 << 20) } == .alreadyExists(file.path))
    // Neither does a replacement that cannot be.
    #expect(storeError { _ = try Store.create(at: file.address, size: 1, replacing: true) } != nil)
    #expect(try Files.read(file.path) == Array("something else".utf8))
    let store = try Store.create(at: file.address, size: 1 << 20, replacing: true)
    try store.put("value", for: "key")
    try store.close()
    let second = try Store.create(at: file.address, size: 2 << 20, replacing: true)
    #expect(second.count == 0)
    #expect(second.statistics.regionBytes == 2 << 20)
    try second.close()
  }

  @Test func lanesAndSegments() throws {
    let one = try Region(size: 1 << 20).create(
      segmentSize: 16 << 10, options: Self.options { $0.maximumLanes = 1 })
    #expect(one.statistics.laneCount == 1)
    #expect(one.statistics.segmentBytes == 16 << 10)
    let many = try Region(size: 1 << 20).create(
      segmentSize: 1 << 10, options: Self.options { $0.maximumLanes = 64 })
    #expect(many.statistics.laneCount == 64)
    try Threads.run(8) { thread in
      for number in 0..<100 {
        try one.put("value", for: key(thread * 100 + number))
        try many.put("value", for: key(thread * 100 + number))
      }
    }
    #expect(one.count == 800 && many.count == 800)
  }

  @Test func domains() throws {
    for (file, isAsked) in [(TemporaryFile(), false), (TemporaryFile(inMemory: false), false), (TemporaryFile(), true)]
    {
      let options = Self.options { $0.domain = isAsked ? .processOnly : .automatic }
      let store = try Store.create(at: file.address, size: 1 << 20, options: options)
      let descriptor = unsafe open(file.path, O_RDONLY | O_CLOEXEC)
      let isInMemory = barkv_is_memory_file_system(descriptor)
      close(descriptor)
      // Forced: see the tests of barriers, which do so in a process of their own.
      guard unsafe getenv("PMEM_IS_PMEM_FORCE") == nil else { return }
      let expected: (PersistenceDomain, PersistenceLevel) =
        isAsked || isInMemory ? (.processOnly, .process) : (.fileSync, .persistent)
      #expect(store.persistence.domain == expected.0)
      #expect(store.persistence.level == expected.1)
      #expect(!store.persistence.reason.isEmpty)
      #expect(store.statistics.persistence == store.persistence)
    }
  }
}
