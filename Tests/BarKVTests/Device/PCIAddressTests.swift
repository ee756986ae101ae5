import BarKV
import Testing

@Suite struct PCIAddressTests {
  @Test(
    arguments: [
      ("0000:00:00.0", 0, 0, 0, 0), ("0000:01:00.0", 0, 1, 0, 0), ("0000:ff:1f.7", 0, 255, 31, 7),
      ("ffff:0a:0b.1", 0xFFFF, 10, 11, 1), ("10000:e1:00.0", 0x10000, 0xE1, 0, 0),
      ("7fffffff:00:00.0", 0x7FFF_FFFF, 0, 0, 0),
    ] as [(String, UInt32, UInt8, UInt8, UInt8)])
  func text(text: String, domain: UInt32, bus: UInt8, device: UInt8, function: UInt8) throws {
    let address = try #require(PCIAddress(text))
    #expect(address == PCIAddress(domain: domain, bus: bus, device: device, function: function))
    #expect((address.domain, address.bus, address.device, address.function) == (domain, bus, device, function))
    #expect(address.description == text)
  }

  @Test func upperCaseIsReadToo() throws {
    #expect(try #require(PCIAddress("00AB:CD:1E.0")).description == "00ab:cd:1e.0")
  }

  @Test(arguments: [
    "", ":", ":::", "0000:00:00", "00:00.0", "0000:00:00.", "0000:00:00.8", "0000:00:20.0", "0000:00:00.00",
    "0000:00:0.0", "0000:0:00.0", "000:00:00.0", "80000000:00:00.0", "000000000:00:00.0", "0000:00:00.0 ",
    " 0000:00:00.0", "0000:00:00.0\n", "0000:00:00.0/2", "0000:00:00:0", "0000.00.00.0", "+000:00:00.0", "000g:00:00.0",
    "0000:-1:00.0", "0000:00:00.0.0", "0000:00:00.0:0", "٠٠٠٠:٠٠:٠٠.٠", "0x00:00:00.0", "00００:00:00.0",
  ]) func none(text: String) {
    #expect(PCIAddress(text) == nil)
  }

  @Test func partsOutOfRange() {
    #expect(PCIAddress(domain: 0, bus: 0, device: 32, function: 0) == nil)
    #expect(PCIAddress(domain: 0, bus: 0, device: 0, function: 8) == nil)
    #expect(PCIAddress(domain: 0x8000_0000, bus: 0, device: 0, function: 0) == nil)
  }

  @Test func order() throws {
    let texts = ["0000:00:00.0", "0000:00:00.1", "0000:00:02.0", "0000:01:00.0", "0001:00:00.0", "10000:00:00.0"]
    let addresses = try texts.map { try #require(PCIAddress($0)) }
    #expect(addresses.shuffled().sorted() == addresses)
  }
}
