import Foundation

/// A number as tables have it: three digits that count, commas between thousands.
func number(_ value: Double) -> String {
  guard value.isFinite else { return "–" }
  let digits = abs(value) >= 100 || value == value.rounded() ? 0 : abs(value) >= 10 ? 1 : 2
  let text = String(format: "%.\(digits)f", value)
  let parts = text.split(separator: ".", maxSplits: 1)
  var whole = ""
  for (index, digit) in parts[0].reversed().enumerated() {
    if index > 0, index.isMultiple(of: 3), digit != "-" { whole.append(",") }
    whole.append(digit)
  }
  return String(whole.reversed()) + (parts.count > 1 ? ".\(parts[1])" : "")
}

/// A time with its unit.
func time(nanoseconds: Double) -> String {
  switch nanoseconds {
  case ..<1000: "\(number(nanoseconds.rounded())) ns"
  case ..<1_000_000: "\(number(nanoseconds / 1000)) us"
  default: "\(number(nanoseconds / 1_000_000)) ms"
  }
}

/// Thousands of calls a second.
func thousands(nanoseconds: Double) -> Double { 1_000_000 / nanoseconds }

/// Bytes with a unit that keeps the number whole.
func size(_ bytes: Int) -> String {
  bytes >= 1024 && bytes.isMultiple(of: 1024) ? "\(bytes / 1024) KiB" : "\(bytes) B"
}
