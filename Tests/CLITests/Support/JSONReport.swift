import Foundation
import Testing

/// What a command reported with `--json`, read by a parser that the command does not share.
struct JSONReport {
  private let members: [String: Any]

  /// Reads standard output, which must be one object on one line.
  init(_ outcome: CommandLineTool.Outcome) throws {
    let lines = outcome.output.split(separator: 10, omittingEmptySubsequences: false)
    try #require(lines.count == 2 && lines[1].isEmpty, "no single line: \(outcome.text)\(outcome.errors)")
    try self.init(JSONSerialization.jsonObject(with: Data(lines[0])))
  }

  /// Takes an object.
  init(_ object: Any) throws {
    members = try #require(object as? [String: Any])
  }

  /// The names of the members.
  var names: Set<String> { Set(members.keys) }

  /// A whole number.
  func integer(_ name: String) throws -> Int { try value(name) }
  /// A number.
  func number(_ name: String) throws -> Double { try value(name) }
  /// A text.
  func string(_ name: String) throws -> String { try value(name) }
  /// A truth.
  func boolean(_ name: String) throws -> Bool { try value(name) }
  /// An object.
  func object(_ name: String) throws -> JSONReport { try JSONReport(value(name) as [String: Any]) }
  /// A list of objects.
  func objects(_ name: String) throws -> [JSONReport] {
    try (value(name) as [Any]).map { try JSONReport($0) }
  }

  /// A member of a type.
  private func value<Value>(_ name: String) throws -> Value {
    try #require(members[name] as? Value, "\(name) in \(members)")
  }
}
