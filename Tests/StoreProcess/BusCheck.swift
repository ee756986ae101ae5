import BarKV
import CTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the store's SIGBUS handler leaves to the rest of the program.
///
/// It prints a line for each check that failed, and "done" at the end; or "open", and ends by the signal.
struct BusCheck {
  private let address: StoreAddress

  init(_ address: StoreAddress) {
    self.address = address
  }

  func run(_ scenario: String) throws {
    switch scenario {
    case "chain": try checkChain { barkv_test_count_bus(false) }
    case "chain-information": try checkChain { barkv_test_count_bus(true) }
    case "foreign":
      _ = try open()
      touchForeign()
    case "sent":
      _ = try open()
      kill(getpid(), SIGBUS)
    case "ignored":
      signal(SIGBUS, SIG_IGN)
      let store = try create()
      kill(getpid(), SIGBUS)
      check("still open", try store.getString("key") == "value")
      try checkLoss(store, address)
      Main.say("done")
    case "ignored-fault":
      signal(SIGBUS, SIG_IGN)
      _ = try open()
      touchForeign()
    case "fork": try checkFork()
    default: throw Main.Failure(description: "no such scenario: \(scenario)")
    }
  }

  private func create() throws -> Store {
    let store = try Store.create(at: address, size: 1 << 20)
    try store.put("value", for: "key")
    return store
  }

  private func open() throws -> Store {
    let store = try create()
    Main.say("open")
    return store
  }

  /// A fault in a mapping that is no store's.
  private func touchForeign() {
    let mapping = unsafe barkv_test_cut_off_mapping(nil)
    guard let mapping = unsafe mapping else { return Main.say("no mapping") }
    unsafe barkv_test_touch(mapping)
  }

  private func checkChain(_ install: () -> Void) throws {
    install()
    let store = try create()
    touchForeign()
    check("the program's handler was called", barkv_test_bus_count() == 1)
    check("still open", try store.getString("key") == "value")
    kill(getpid(), SIGBUS)
    check("a signal that was sent arrives", barkv_test_bus_count() == 2)
    try checkLoss(store, address)
    check("the store's own fault is its own", barkv_test_bus_count() == 2)
    try? store.close()
    touchForeign()
    check("still called", barkv_test_bus_count() == 3)
    Main.say("done")
  }

  private func checkLoss(_ store: Store, _ address: StoreAddress) throws {
    check("cut off", unsafe truncate(address.path, 0) == 0)
    do {
      _ = try store.get("key")
      Main.say("failed: a value was given out")
    } catch StoreError.deviceLost {
    } catch {
      Main.say("failed: \(error)")
    }
  }

  private func checkFork() throws {
    let store = try create()
    guard let place = mappedAddress() else { throw Main.Failure(description: "the mapping is not found") }
    // What a child maps where the parent's region is, is the child's own affair.
    let foreign = barkv_test_fork()
    if foreign == 0 {
      let mapping = unsafe barkv_test_cut_off_mapping(UnsafeMutableRawPointer(bitPattern: place))
      if let mapping = unsafe mapping { unsafe barkv_test_touch(mapping) }
      _exit(0)
    }
    check("a foreign fault ends the child", status(foreign) & 0x7F == SIGBUS)
    let own = barkv_test_fork()
    if own == 0 {
      let other = StoreAddress(path: address.path + ".child")
      do {
        let mine = try Store.create(at: other, size: 1 << 20)
        try mine.put("value", for: "key")
        try checkLoss(mine, other)
      } catch {
        Main.say("failed: \(error)")
      }
      unsafe unlink(other.path)
      _exit(0)
    }
    check("a child's own store is guarded", status(own) == 0)
    check("the parent's is as it was", try store.getString("key") == "value")
    try checkLoss(store, address)
    Main.say("done")
  }

  /// Where the store's file is mapped.
  private func mappedAddress() -> UInt? {
    guard let file = unsafe fopen("/proc/self/maps", "r") else { return nil }
    defer { unsafe fclose(file) }
    var line = [CChar](repeating: 0, count: 4096)
    while unsafe fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.contains(address.path) { return UInt(text.prefix { $0 != "-" }, radix: 16) }
    }
    return nil
  }

  private func status(_ child: pid_t) -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status
  }

  private func check(_ name: String, _ holds: @autoclosure () throws -> Bool) {
    do {
      if try !holds() { Main.say("failed: \(name)") }
    } catch {
      Main.say("failed: \(name): \(error)")
    }
  }
}
