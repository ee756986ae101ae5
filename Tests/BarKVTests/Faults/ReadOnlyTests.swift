import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Read-only stores: everything can be read, nothing is written.
@Suite struct ReadOnlyTests {
  private let file = TemporaryFile()
  private var contents: Contents = [:]

  init() throws {
    let store = try Store.create(at: file.address, size: 1 << 20)
    for number in 0..<500 {
      let bytes = value(number, length: number % 50 == 0 ? 5000 : number % 90)
      try store.put(bytes, for: key(number))
      contents[key(number)] = bytes
    }
    for number in stride(from: 0, to: 500, by: 3) {
      try store.delete(key(number))
      contents[key(number)] = nil
    }
    try store.close()
  }

  private func readEverything(_ store: Store) throws {
    #expect(store.access == .readOnly)
    try store.expect(contents, absent: [key(0)])
    #expect(try store.verify().isSound)
    #expect(store.statistics.keyCount == contents.count)
    for (name, writes, call) in everyCall(on: store) where writes { #expect(storeError(call) == .readOnly, "\(name)") }
    try store.close()
    for (name, _, call) in everyCall(on: store) { #expect(storeError(call) == .closed, "\(name)") }
  }

  @Test func nothingIsWritten() throws {
    let before = try Files.read(file.path)
    try readEverything(Store.open(at: file.address, access: .readOnly))
    #expect(try Files.read(file.path) == before)
    let again = try Store.open(at: file.address)
    #expect(again.recovery.wasClosed)
    try again.expect(contents)
  }

  @Test func nothingIsWrittenAfterACrash() throws {
    // What a process that is killed leaves: the bytes of a store in use.
    let crashed = TemporaryFile()
    do {
      let store = try Store.open(at: file.address)
      try store.put("after", for: "after")
      try Files.write(Files.read(file.path), to: crashed.path)
      try store.delete("after")
    }
    let before = try Files.read(crashed.path)
    var contents = contents
    contents[Array("after".utf8)] = Array("after".utf8)
    let store = try Store.open(at: crashed.address, access: .readOnly)
    #expect(!store.recovery.wasClosed)
    try store.expect(contents)
    #expect(try store.verify().isSound)
    try store.close()
    #expect(try Files.read(crashed.path) == before)
  }

  @Test func aFileThatMayNotBeWritten() throws {
    let before = try Files.read(file.path)
    let readOnly = TemporaryFile()
    try Files.write(before, to: readOnly.path)
    try #require(unsafe chmod(readOnly.path, 0o444) == 0)
    try readEverything(Store.open(at: readOnly.address, access: .readOnly))
    #expect(try Files.read(readOnly.path) == before)
  }

  @Test func severalReaders() throws {
    let readers = try (0..<5).map { _ in try Store.open(at: file.address, access: .readOnly) }
    for reader in readers { try reader.expect(contents) }
    #expect(storeError { _ = try Store.open(at: file.address) } == .busy(path: file.path, owner: getpid()))
    for reader in readers.dropLast() { try reader.close() }
    #expect(storeError { _ = try Store.open(at: file.address) } != nil)
    try readers[4].expect(contents)
    try readers[4].close()
    try Store.open(at: file.address).close()
  }

  @Test func emptyStore() throws {
    let file = TemporaryFile()
    try Store.create(at: file.address, size: 8 << 10).close()
    let store = try Store.open(at: file.address, access: .readOnly)
    try store.expect([:])
    #expect(try store.verify().isSound)
  }
}
