/// Where a PCI function is: domain, bus, device and function, `0000:01:00.0` in text.
public struct PCIAddress: Sendable, Hashable {
  /// The domain, which tells host bridges apart.
  public let domain: UInt32
  /// The bus in the domain.
  public let bus: UInt8
  /// The device on the bus: 0 to 31.
  public let device: UInt8
  /// The function of the device: 0 to 7.
  public let function: UInt8

  /// The largest domain: the kernel counts them in a signed number.
  private static let largestDomain: UInt32 = 0x7FFF_FFFF

  /// An address, or `nil` where a part is out of range.
  public init?(domain: UInt32, bus: UInt8, device: UInt8, function: UInt8) {
    guard domain <= Self.largestDomain, device < 32, function < 8 else { return nil }
    self.domain = domain
    self.bus = bus
    self.device = device
    self.function = function
  }
}

extension PCIAddress: LosslessStringConvertible {
  /// Reads the text form: four to eight hexadecimal digits of domain, two of bus, two of device, one of function, and
  /// nothing before, between or after.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    let place = parts[2].split(separator: ".", omittingEmptySubsequences: false)
    guard place.count == 2,
      let domain = Self.number(parts[0], digits: 4...8), let bus = Self.number(parts[1], digits: 2...2),
      let device = Self.number(place[0], digits: 2...2), let function = Self.number(place[1], digits: 1...1)
    else { return nil }
    self.init(domain: domain, bus: UInt8(bus), device: UInt8(device), function: UInt8(function))
  }

  /// The text form, as the kernel and `lspci -D` write it.
  public var description: String {
    "\(Self.text(domain, digits: 4)):\(Self.text(bus, digits: 2)):\(Self.text(device, digits: 2)).\(function)"
  }

  /// The number that `text` is; a sign or a character beyond ASCII is none of its digits.
  private static func number(_ text: Substring, digits: ClosedRange<Int>) -> UInt32? {
    let bytes = text.utf8
    guard digits.contains(bytes.count) else { return nil }
    var number: UInt32 = 0
    for byte in bytes {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      number = number << 4 | UInt32(digit)
    }
    return number
  }

  private static func text<Number: BinaryInteger>(_ number: Number, digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}

extension PCIAddress: Comparable {
  /// The order in which the kernel and `lspci` list functions.
  public static func < (first: PCIAddress, second: PCIAddress) -> Bool {
    (first.domain, first.bus, first.device, first.function)
      < (second.domain, second.bus, second.device, second.function)
  }
}
