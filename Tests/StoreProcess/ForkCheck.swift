import BarKV
import CTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Forks with a store open, and checks that the child cannot use it and does not keep it.
///
/// It prints a line for each check that failed, and "done" at the end. This process has one thread, so that its child can
/// do what it likes.
struct ForkCheck {
  private let address: StoreAddress

  init(_ address: StoreAddress) {
    self.address = address
  }

  func run() throws {
    var store: Store? = try Store.create(at: address, size: 1 << 20)
    try store?.put("parent", for: "key")
    try store?.put("waits", for: "deferred", durability: .deferred)
    inChild("calls") { if let store { checkCalls(store) } }
    inChild("last reference") { store = nil }
    inChild("another store") { checkAnotherStore() }
    guard let open = store else { return Main.say("the child took the parent's reference") }
    check("still works", try open.getString("key") == "parent")
    try open.put("again", for: "after")
    check("deferred in the parent only", try open.getString("deferred") == "waits")
    try checkLock(open)
    try checkDescriptor()
    Main.say("done")
  }

  /// Every call fails in the child, and tells why.
  private func checkCalls(_ store: Store) {
    var batch = Batch()
    batch.put("child", for: "key")
    let none: [UInt8]? = nil
    let calls: [(String, () throws -> Void)] = [
      ("put", { try store.put("child", for: "key") }),
      ("put in an extent", { try store.put([UInt8](repeating: 1, count: 10_000), for: "key") }),
      ("deferred put", { try store.put("child", for: "key", durability: .deferred) }),
      ("get", { _ = try store.get("key") }),
      ("getString", { _ = try store.getString("key") }),
      ("withValue", { _ = try store.withValue(of: "key") { $0.byteCount } }),
      ("contains", { _ = try store.contains("key") }),
      ("delete", { try store.delete("key") }),
      ("deferred delete", { try store.delete("key", durability: .deferred) }),
      ("batch", { try store.write(batch) }),
      ("compareAndSwap", { _ = try store.compareAndSwap("key", expected: none, new: "child") }),
      ("update", { try store.update("key") { _ in .put([1]) } }),
      ("persist", { try store.persist() }),
      ("forEach", { try store.forEach { (_: RawSpan, _: RawSpan) -> Void in } }),
      ("verify", { _ = try store.verify() }),
      ("close", { try store.close() }),
    ]
    for (name, call) in calls {
      do {
        try call()
        Main.say("\(name) worked in a forked child")
      } catch {
        check("\(name) gives \(error)", error as? StoreError == .forked)
      }
    }
    // What does not throw does not trap.
    check("count", store.count >= 0 && store.statistics.keyCount >= 0)
  }

  private func checkAnotherStore() {
    let other = StoreAddress(path: address.path + ".child")
    do {
      let store = try Store.create(at: other, size: 1 << 20, replacing: true)
      try store.put("child", for: "key")
      try store.close()
      check("another store", try Store.open(at: other).getString("key") == "child")
    } catch {
      Main.say("a child cannot have a store of its own: \(error)")
    }
    unsafe unlink(other.path)
  }

  /// A child that lives on keeps nobody from the store.
  private func checkLock(_ store: Store) throws {
    let (start, end) = (try makePipe(), try makePipe())
    let child = barkv_test_fork()
    var byte: UInt8 = 0
    if child == 0 {
      // The child lives, and lives on until the parent says so.
      close(end.write)
      unsafe _ = write(start.write, &byte, 1)
      unsafe _ = read(end.read, &byte, 1)
      _exit(0)
    }
    unsafe _ = read(start.read, &byte, 1)
    check(
      "busy while open", Self.error { _ = try Store.open(at: address) } == .busy(path: address.path, owner: getpid()))
    try store.close()
    if let error = Self.error({ try Store.open(at: address).close() }) {
      Main.say("a child that lives on keeps the store: \(error)")
    }
    close(end.write)
    check("the child ends", wait(for: child) == 0)
  }

  /// A descriptor that has the number of a store's, and is none, stays open in a child.
  private func checkDescriptor() throws {
    let store = try Store.open(at: address)
    try store.close()
    let numbers = (0..<4).map { _ in unsafe open("/dev/null", O_RDONLY) }
    inChild("descriptors") { for number in numbers { check("descriptor \(number)", fcntl(number, F_GETFD) != -1) } }
    for number in numbers { close(number) }
  }

  // MARK: Helpers

  private func makePipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    guard unsafe pipe(&ends) == 0 else { throw Main.Failure(description: "no pipe") }
    return (ends[0], ends[1])
  }

  private func check(_ name: String, _ holds: @autoclosure () throws -> Bool) {
    do {
      if try !holds() { Main.say("failed: \(name)") }
    } catch {
      Main.say("failed: \(name): \(error)")
    }
  }

  private static func error(_ body: () throws -> Void) -> StoreError? {
    do {
      try body()
      return nil
    } catch {
      return error as? StoreError
    }
  }

  /// Runs `body` in a forked child and waits for it.
  private func inChild(_ name: String, _ body: () -> Void) {
    let child = barkv_test_fork()
    if child == 0 {
      body()
      _exit(0)
    }
    let status = wait(for: child)
    if status != 0 { Main.say("failed: the child for \(name) ended with \(status)") }
  }

  private func wait(for child: pid_t) -> Int32 {
    var status: Int32 = -1
    while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status
  }
}
