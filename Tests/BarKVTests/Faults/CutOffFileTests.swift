import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that somebody cuts off under an open store: touching what is gone is a SIGBUS, which ends no process here.
@Suite struct CutOffFileTests {
  private static let size = 1 << 20

  /// A store with small and long values, and with one write deferred.
  private static func store(
    _ file: TemporaryFile, verifiesReads: Bool = false
  ) throws -> Store {
    var options = StoreOptions()
    options.verifiesReads = verifiesReads
    let store = try Store.create(at: file.address, size: size, options: options)
    var batch = Batch()
    for number in 0..<1000 { batch.put(value(number, length: 100), for: key(number)) }
    try store.write(batch)
    try store.put(value(1, length: 30_000), for: "long")
    try store.put("value", for: "key")
    return store
  }

  private static func cutOff(_ file: TemporaryFile, to size: Int = 0) throws {
    try #require(unsafe truncate(file.path, size) == 0)
  }

  /// Calls that a lost region cannot keep from doing what they do: nothing, or nothing yet.
  private static let idle: Set = ["empty batch", "persist", "deferred put"]

  /// Each call as the first one after the loss: a write in flight says that its outcome is unknown, or that the medium is
  /// lost; a read gives nothing out.
  @Test(arguments: 0..<19, [true, false]) func theFirstCallIsTold(number: Int, inMemory: Bool) throws {
    let file = TemporaryFile(inMemory: inMemory)
    let store = try Self.store(file)
    let calls = everyCall(on: store)
    try #require(calls.count == 19, "the arguments leave calls out")
    let (name, writes, call) = calls[number]
    try Self.cutOff(file)
    let error = storeError(call)
    switch error {
    case .deviceLost: break
    case .outcomeUnknown: #expect(writes, "\(name): \(String(describing: error))")
    default: #expect(error == nil && Self.idle.contains(name), "\(name): \(String(describing: error))")
    }
    // Within one barrier everything else is told, too.
    let put = storeError { try store.put("new", for: "other") }
    #expect(put != nil)
    for (name, _, call) in calls {
      guard case .deviceLost = storeError(call) else {
        Issue.record("\(name) is not told")
        continue
      }
    }
    _ = storeError { try store.close() }
    #expect(storeError { _ = try store.get("key") } == .closed)
  }

  /// No read gives a value that is not the one that was written, nor takes a key for absent.
  @Test(arguments: [0, 4096, 40 << 10], [true, false]) func noReadIsWrong(size: Int, verifiesReads: Bool) throws {
    let file = TemporaryFile()
    let store = try Self.store(file, verifiesReads: verifiesReads)
    try Self.cutOff(file, to: size)
    var lost = 0
    for number in 0..<1000 {
      do {
        #expect(try store.get(key(number)) == value(number, length: 100))
      } catch StoreError.deviceLost {
        lost += 1
      }
    }
    #expect(lost > 0)
    #expect(storeError { _ = try store.get("absent") } != nil)
  }

  @Test func threadsThatReadMeanwhile() throws {
    let file = TemporaryFile()
    let store = try Self.store(file)
    let started = Locked(0)
    try Threads.run(4) { thread in
      if thread == 3 {
        while started.withLock({ $0 }) < 3 { sched_yield() }
        try Self.cutOff(file, to: 64 << 10)
        return
      }
      for round in 0... {
        let number = (round * 7 + thread) % 1000
        do throws(StoreError) {
          let found = try store.get(key(number))
          #expect(found == value(number, length: 100))
        } catch {
          guard case .deviceLost = error else {
            Issue.record("\(error)")
            return
          }
          return
        }
        if round == 100 { started.withLock { $0 += 1 } }
      }
    }
    guard case .deviceLost = storeError({ try store.put("value", for: "key") }) else {
      Issue.record("the store goes on")
      return
    }
  }

  /// The value is lost while the caller looks at it: what the caller made of it is dropped.
  @Test func aValueInUse() throws {
    let file = TemporaryFile()
    let store = try Self.store(file)
    var last: UInt8?
    let error = storeError {
      let result = try store.withValue(of: "long") { (bytes: RawSpan) -> Int in
        #expect(unsafe truncate(file.path, 4096) == 0)
        last = unsafe bytes.withUnsafeBytes { unsafe $0.last }
        return 1
      }
      Issue.record("\(String(describing: result)) was given out")
    }
    #expect(last == 0)
    guard case .deviceLost = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Bytes of the file's last page are cut off without a signal: they read as zeros.
  @Test(arguments: [true, false]) func withinAPage(inMemory: Bool) throws {
    let file = TemporaryFile(inMemory: inMemory)
    let store = try Self.store(file)
    try Self.cutOff(file, to: Self.size - 64)
    guard case .deviceLost = storeError({ _ = try store.verify() }) else {
      Issue.record("verify is not told")
      return
    }
    #expect(storeError { try store.put("value", for: "other") } != nil)
  }

  /// Where a barrier is a system call, one more asks for the size: nothing is acknowledged that the file has no room for.
  @Test func aBarrierAsksForTheSize() throws {
    let file = TemporaryFile(inMemory: false)
    let store = try Self.store(file)
    guard store.persistence.domain == .fileSync else { return }
    try Self.cutOff(file, to: Self.size - 64)
    guard case .outcomeUnknown = storeError({ try store.put("value", for: "other") }) else {
      Issue.record("the put is not told")
      return
    }
    guard case .deviceLost = storeError({ _ = try store.get("key") }) else {
      Issue.record("the get is not told")
      return
    }
  }

  /// Cut off between the mapping and the reading of an open.
  @Test(arguments: [0, 64, 512, 4096, 8192, 16 << 10, 256 << 10, 1 << 19], [Access.readOnly, .readWrite])
  func whileOpening(size: Int, access: Access) throws {
    let file = TemporaryFile()
    try Self.store(file).close()
    let medium = try Medium.openFile(path: file.path, access: access, options: StoreOptions())
    defer { medium.unmap() }
    try Self.cutOff(file, to: size)
    let error = storeError {
      _ = try Recovery.open(medium, path: file.path, access: access, options: StoreOptions())
    }
    if size >= 256 << 10, error == nil {
      Issue.record("opened")
      return
    }
    // Bytes of the last page read as zeros: what is left of the superblock may say so first.
    let isRefused = size % 4096 != 0 && error == .notAStore(file.path)
    guard isRefused || error == .deviceLost("the file was cut off, or its device is gone") else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(try Files.read(file.path).count == size, "an open that failed changed the file's size")
  }

  /// What had been acknowledged is there again where the file is.
  @Test func theFileComesBack() throws {
    let file = TemporaryFile()
    let store = try Self.store(file)
    let before = try Files.read(file.path)
    try Self.cutOff(file)
    #expect(storeError { try store.put("late", for: "key") } != nil)
    _ = storeError { try store.close() }
    #expect(try Files.read(file.path).isEmpty, "something was written to what was gone")
    try Files.write(before, to: file.path)
    let again = try Store.open(at: file.address)
    #expect(try again.getString("key") == "value")
    #expect(again.count == 1002)
    #expect(again.recovery.damageCount == 0)
  }
}
