import Testing

@testable import BarKV

@Suite struct AddressTests {
  @Test(arguments: [
    ("/var/lib/a.barkv", "/var/lib/a.barkv"), ("relative", "relative"), ("file:/var/lib/a", "/var/lib/a"),
    ("file:relative", "relative"), ("file:file:x", "file:x"), ("daxx", "daxx"), ("./pci:0", "./pci:0"),
    ("file:pci:0", "pci:0"), ("FILE:x", "FILE:x"), ("a b\tü", "a b\tü"),
  ]) func paths(text: String, path: String) throws {
    let address = try StoreAddress(text)
    #expect(address.path == path)
    #expect(try StoreAddress(address.description) == address)
  }

  @Test(arguments: ["", "file:", "a\0b", "file:a\0"]) func none(text: String) {
    #expect(storeError { _ = try StoreAddress(text) } == .invalidAddress(text))
  }

  @Test(arguments: [
    ("dax:/dev/dax0.0", StoreAddress.Place.dax, "/dev/dax0.0"), ("dax:x", .dax, "x"),
    (
      "pci:0000:01:00.0/2",
      .bar(PCIAddress(domain: 0, bus: 1, device: 0, function: 0)!, index: 2), "pci:0000:01:00.0/2"
    ),
    (
      "pmr:0001:ff:1f.7",
      .persistentMemoryRegion(PCIAddress(domain: 1, bus: 255, device: 31, function: 7)!), "pmr:0001:ff:1f.7"
    ),
  ]) func devices(text: String, place: StoreAddress.Place, path: String) throws {
    let address = try StoreAddress(text)
    #expect(address.place == place && address.path == path && address.description == text)
  }

  @Test(arguments: [
    "pci:", "dax:", "pmr:", "pci:0000:01:00.0", "pci:0000:01:00.0/", "pci:0000:01:00.0/6", "pci:0000:01:00.0/22",
    "pci:0000:01:00.0/-1", "pci:0000:01:00.0/2/2", "pci:01:00.0/2", "pmr:0000:01:00.0/4", "pmr:0000:01:00.8", "dax:a\0",
    "pci:0000:01:00.0/２",
  ]) func malformedDevices(text: String) {
    #expect(storeError { _ = try StoreAddress(text) } == .invalidAddress(text))
    #expect(storeError { _ = try Store.open(at: StoreAddress(stringLiteral: text)) } != nil)
  }

  @Test func aPathIsTakenAsItIs() {
    #expect(StoreAddress(path: "pci:0000:01:00.0/2").path == "pci:0000:01:00.0/2")
    #expect(("file:x" as StoreAddress).path == "x")
    #expect(
      storeError { _ = try Store.open(at: StoreAddress(path: "pci:0000:01:00.0/2")) }
        == .noSuchStore("pci:0000:01:00.0/2"))
  }

  @Test func whatIsNoStore() throws {
    let file = TemporaryFile()
    #expect(storeError { _ = try Store.open(at: file.address) } == .noSuchStore(file.path))
    #expect(
      storeError { _ = try Store.open(at: StoreAddress(path: file.path + "/x")) } == .noSuchStore(file.path + "/x"))
    for path in ["/dev/null", "/dev/shm", "/tmp"] {
      #expect(storeError { _ = try Store.open(at: StoreAddress(path: path)) } != nil)
      #expect(storeError { _ = try Store.open(at: StoreAddress(path: path), access: .readOnly) } == .notAStore(path))
    }
    // A directory that does not exist is not made.
    guard case .system = storeError({ _ = try Store.create(at: StoreAddress(path: file.path + "/x"), size: 1 << 20) })
    else {
      Issue.record("a store in a folder that does not exist")
      return
    }
    #expect(!Files.exists(file.path))
  }
}
