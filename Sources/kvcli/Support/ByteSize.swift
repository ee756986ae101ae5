import ArgumentParser

/// A number of bytes on the command line: `4096`, `256MiB`, `1GB`.
enum ByteSize {
  /// The units of 1024, smallest first.
  static let binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB"]
  /// The units of 1000.
  private static let decimalUnits = ["B", "kB", "MB", "GB", "TB"]
  /// What the help says.
  static let help = "bytes, or with a unit: KiB, MiB, GiB, TiB (1024), kB, MB, GB, TB (1000)"

  /// Reads a size; the unit's case does not matter, and a space may stand before it.
  static func parse(_ text: String) throws -> Int {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
    guard !digits.isEmpty else { throw ValidationError("a size is a number of \(help)") }
    var size = Int(digits)
    if let power = binaryUnits.firstIndex(where: { $0.lowercased() == unit }) {
      size = multiply(size, by: 1024, power)
    } else if let power = decimalUnits.firstIndex(where: { $0.lowercased() == unit }) {
      size = multiply(size, by: 1000, power)
    } else if !unit.isEmpty {
      throw ValidationError("“\(unit)” is no unit of size")
    }
    guard let size else { throw ValidationError("the size is larger than any region can be") }
    return size
  }

  /// `value` times `factor` to the `power`, or `nil` where that is too large.
  private static func multiply(_ value: Int?, by factor: Int, _ power: Int) -> Int? {
    var result = value
    for _ in 0..<power {
      guard let product = result?.multipliedReportingOverflow(by: factor), !product.overflow else { return nil }
      result = product.partialValue
    }
    return result
  }
}
