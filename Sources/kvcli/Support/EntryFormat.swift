import ArgumentParser

/// The two texts that `load` reads and `dump` writes.
enum EntryFormat: String, CaseIterable, ExpressibleByArgument {
  /// One entry a line, key and value separated by a tab.
  case tsv
  /// One JSON object a line.
  case jsonl
}

/// One entry read from a line; the arrays are used again for the next line.
struct Entry {
  /// The key's bytes.
  var key: [UInt8] = []
  /// The value's bytes.
  var value: [UInt8] = []
}

/// Why a line is no entry.
struct LineError: Error {
  /// What is wrong, and what would be right.
  let reason: String

  /// An error with its reason.
  init(_ reason: String) {
    self.reason = reason
  }
}
