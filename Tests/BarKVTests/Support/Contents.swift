import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Store {
  /// All entries, by a walk over the store.
  ///
  /// - Parameter repeated: gets each key that the walk met more than once.
  func entries(repeated: inout [[UInt8]]) throws(StoreError) -> Contents {
    var found: Contents = [:]
    var again: [[UInt8]] = []
    try forEach { (key: RawSpan, value: RawSpan) -> Void in
      let key = array(key)
      if found.updateValue(array(value), forKey: key) != nil { again.append(key) }
    }
    repeated = again
    return found
  }

  /// Expects that the store holds `contents` and nothing else, by every way to look at it.
  ///
  /// - Parameter keys: keys that may or may not be present.
  func expect(
    _ contents: Contents, absent keys: some Sequence<[UInt8]> = EmptyCollection(), _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(count == contents.count, comment, sourceLocation: sourceLocation)
    var repeated: [[UInt8]] = []
    let entries = try entries(repeated: &repeated)
    #expect(repeated.isEmpty, "visited twice", sourceLocation: sourceLocation)
    if entries != contents {
      let lost = contents.keys.filter { entries[$0] == nil }.count
      let extra = entries.keys.filter { contents[$0] == nil }.count
      let changed = contents.filter { entries[$0.key] != nil && entries[$0.key] != $0.value }.count
      Issue.record(
        "the walk lacks \(lost) keys, has \(extra) more and \(changed) other values; \(comment?.rawValue ?? "")",
        sourceLocation: sourceLocation)
    }
    for (key, value) in contents where try get(key) != value {
      Issue.record("get gives another value; \(comment?.rawValue ?? "")", sourceLocation: sourceLocation)
    }
    let present = Array(contents.keys)
    let values = try values(for: present)
    for position in present.indices where values[position] != contents[present[position]] {
      Issue.record("one of many gets gives another value; \(comment?.rawValue ?? "")", sourceLocation: sourceLocation)
    }
    for key in keys where contents[key] == nil {
      #expect(try !contains(key), comment, sourceLocation: sourceLocation)
      #expect(try self.values(for: [key]) == [nil], comment, sourceLocation: sourceLocation)
    }
  }

  /// Expects that nothing in the store is damaged.
  func expectSound(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let report = try verify()
    #expect(report.isSound, "\(report.damage) \(comment?.rawValue ?? "")", sourceLocation: sourceLocation)
    #expect(
      recovery.damageCount == 0, "\(recovery.damage) \(comment?.rawValue ?? "")", sourceLocation: sourceLocation)
  }
}

/// Whether two byte strings are the same; fast in a debug build too.
func isSame(_ first: [UInt8]?, _ second: [UInt8]) -> Bool {
  guard let first, first.count == second.count else { return false }
  return unsafe first.withUnsafeBytes { first in
    unsafe second.withUnsafeBytes { second in
      unsafe first.isEmpty || memcmp(first.baseAddress!, second.baseAddress!, first.count) == 0
    }
  }
}

/// Every place where `pattern` stands in `bytes`.
func positions(of pattern: [UInt8], in bytes: [UInt8]) -> [Int] {
  guard let first = pattern.first, bytes.count >= pattern.count else { return [] }
  var result: [Int] = []
  var start = 0
  while let position = bytes[start..<(bytes.count - pattern.count + 1)].firstIndex(of: first) {
    if bytes[position..<position + pattern.count].elementsEqual(pattern) { result.append(position) }
    start = position + 1
  }
  return result
}
