/// Numbers as a person reads them.
enum Figures {
  /// `value` with its digits in groups of three.
  static func grouped<Value: BinaryInteger>(_ value: Value) -> String {
    let digits = Array(value.magnitude.description)
    var text = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
      text.append(digit)
    }
    return text
  }

  /// `value` with `places` decimal places.
  static func decimal(_ value: Double, places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "\(value)" }
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value.magnitude * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return sign + grouped(scaled) }
    let fraction = String(scaled % scale)
    return sign + grouped(scaled / scale) + "." + String(repeating: "0", count: places - fraction.count) + fraction
  }

  /// A size, with the largest unit that leaves one whole digit: exact sizes as they are, others with one decimal.
  static func bytes<Value: BinaryInteger>(_ value: Value) -> String {
    var unit = 0
    var divisor = 1.0
    while unit < ByteSize.binaryUnits.count - 1, Double(value) >= divisor * 1024 {
      unit += 1
      divisor *= 1024
    }
    let scaled = Double(value) / divisor
    return "\(decimal(scaled, places: scaled == scaled.rounded() ? 0 : 1)) \(ByteSize.binaryUnits[unit])"
  }

  /// A duration in a unit that suits it.
  static func duration(nanoseconds: Double) -> String {
    switch nanoseconds {
    case ..<1e3: "\(decimal(nanoseconds, places: 0)) ns"
    case ..<1e6: "\(decimal(nanoseconds / 1e3, places: 1)) µs"
    case ..<1e9: "\(decimal(nanoseconds / 1e6, places: 1)) ms"
    default: "\(decimal(nanoseconds / 1e9, places: 2)) s"
    }
  }

  /// `count` and the noun for it, which takes an s.
  static func counted<Value: BinaryInteger>(_ count: Value, _ noun: String) -> String {
    "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }

  /// Lines of a name and a figure each, the figures aligned.
  static func table(_ rows: [(name: String, figure: String)]) -> String {
    let width = rows.map(\.name.count).max() ?? 0
    return rows.map { name, figure in
      name + String(repeating: " ", count: width - name.count + 2) + figure + "\n"
    }.joined()
  }
}
