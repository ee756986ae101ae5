import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One owner at a time: within the process, between processes, after a kill, after a fork.
@Suite struct OwnershipTests {
  private let file = TemporaryFile()

  init() throws {
    let store = try Store.create(at: file.address, size: 1 << 20)
    try store.put("value", for: "key")
    try store.close()
  }

  @Test func secondOpenerInTheSameProcess() throws {
    let store = try Store.open(at: file.address)
    let busy = StoreError.busy(path: file.path, owner: getpid())
    #expect(storeError { _ = try Store.open(at: file.address) } == busy)
    #expect(storeError { _ = try Store.open(at: file.address, access: .readOnly) } == busy)
    #expect(storeError { _ = try Store.create(at: file.address, size: 1 << 20, replacing: true) } == busy)
    #expect(storeError { _ = try Store.create(at: file.address, size: 1 << 20) } == .alreadyExists(file.path))
    #expect(try store.getString("key") == "value")
    try store.close()
    try Store.open(at: file.address).close()
  }

  @Test func readersAndWriters() throws {
    let reader = try Store.open(at: file.address, access: .readOnly)
    let second = try Store.open(at: file.address, access: .readOnly)
    #expect(storeError { _ = try Store.open(at: file.address) } != nil)
    try reader.close()
    #expect(storeError { _ = try Store.open(at: file.address) } != nil)
    try second.close()
    let writer = try Store.open(at: file.address)
    #expect(storeError { _ = try Store.open(at: file.address, access: .readOnly) } != nil)
    try writer.close()
    #expect(try Store.open(at: file.address, access: .readOnly).getString("key") == "value")
  }

  @Test func anotherProcess() throws {
    let other = try ChildProcess(["hold", file.path, "readWrite"])
    #expect(other.readLine() == "open")
    let busy = StoreError.busy(path: file.path, owner: other.identifier)
    #expect(storeError { _ = try Store.open(at: file.address) } == busy)
    #expect(storeError { _ = try Store.open(at: file.address, access: .readOnly) } == busy)
    #expect(storeError { _ = try Store.create(at: file.address, size: 1 << 20, replacing: true) } == busy)
    other.endInput()
    #expect(other.readLine() == "closed")
    #expect(try other.wait() == .exit(0))
    let store = try Store.open(at: file.address)
    #expect(store.recovery.wasClosed)
    // And the other way round.
    let late = try ChildProcess(["hold", file.path, "readOnly"])
    #expect(late.readLine() == "busy: \(getpid())")
    #expect(try late.wait() == .exit(0))
    #expect(try store.getString("key") == "value")
  }

  @Test func readersInSeveralProcesses() throws {
    let reader = try Store.open(at: file.address, access: .readOnly)
    let other = try ChildProcess(["hold", file.path, "readOnly"])
    #expect(other.readLine() == "open")
    let writer = try ChildProcess(["hold", file.path, "readWrite"])
    #expect(writer.readLine().hasPrefix("busy"))
    try reader.close()
    #expect(storeError { _ = try Store.open(at: file.address) } != nil)
    other.endInput()
    #expect(try other.wait() == .exit(0))
    try Store.open(at: file.address).close()
  }

  @Test func anOwnerThatIsKilledLeavesNoLock() throws {
    let other = try ChildProcess(["hold", file.path, "readWrite"])
    #expect(other.readLine() == "open")
    other.kill()
    #expect(try other.wait() == .signal(SIGKILL))
    let store = try Store.open(at: file.address)
    #expect(!store.recovery.wasClosed)
    #expect(store.recovery.damageCount == 0)
    #expect(try store.getString("key") == "value")
  }

  @Test func forkedChild() throws {
    let file = TemporaryFile()
    let process = try ChildProcess(["fork", file.path])
    #expect(String(decoding: process.readAll(), as: UTF8.self) == "done\n")
    #expect(try process.wait() == .exit(0))
    let store = try Store.open(at: file.address)
    #expect(try store.getString("key") == "parent")
    #expect(try store.getString("after") == "again")
    #expect(store.count == 3)
  }

  @Test func ownerEpochs() throws {
    var epochs: [UInt64] = []
    for _ in 0..<5 {
      let store = try Store.open(at: file.address)
      epochs.append(store.statistics.ownerEpoch)
      try store.close()
      // Readers are no owners.
      let reader = try Store.open(at: file.address, access: .readOnly)
      #expect(reader.statistics.ownerEpoch == epochs[epochs.count - 1])
    }
    #expect(epochs == (0..<5).map { epochs[0] + $0 })
  }
}
