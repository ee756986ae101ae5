import Testing

@testable import BarKV

/// Walks over all entries.
@Suite struct IterationTests {
  private let region = Region(size: 4 << 20)
  private let store: Store

  init() throws {
    store = try region.create()
  }

  @Test func emptyStore() throws {
    try store.forEach { (_: RawSpan, _: RawSpan) -> Void in Issue.record("there is no entry") }
    #expect(store.count == 0)
  }

  @Test func everyEntryOnce() throws {
    var contents: Contents = [:]
    for number in 0..<3000 {
      let length = number % 100 == 0 ? 5000 : number % 70
      contents[key(number)] = value(number, length: length)
      try store.put(value(number, length: length), for: key(number))
      #expect(store.count == contents.count)
    }
    for number in stride(from: 0, to: 3000, by: 7) {
      contents[key(number)] = nil
      try store.delete(key(number))
    }
    for number in stride(from: 1, to: 3000, by: 11) where contents[key(number)] != nil {
      contents[key(number)] = value(-number, length: 33)
      try store.put(value(-number, length: 33), for: key(number))
    }
    try store.expect(contents)
    try region.copy().open().expect(contents)
  }

  @Test func writingInsideTheBody() throws {
    for number in 0..<300 { try store.put("old", for: key(number)) }
    let store = store
    var visited: [[UInt8]: Int] = [:]
    try store.forEach { (found: RawSpan, _: RawSpan) throws -> Void in
      let found = array(found)
      visited[found, default: 0] += 1
      // Enough to make each part of the index grow under the walk.
      try store.put("new", for: found)
      for more in 0..<5 { try store.put("more", for: found + [UInt8(more)]) }
      if found.count == 4 { try store.delete(found + [0]) }
    }
    for number in 0..<300 { #expect(visited[key(number)] == 1) }
    #expect(visited.values.allSatisfy { $0 == 1 })
    for number in 0..<300 { #expect(try store.getString(key(number)) == "new") }
    try store.expectSound()
  }

  @Test func deletingInsideTheBody() throws {
    for number in 0..<1000 { try store.put("value", for: key(number)) }
    let store = store
    try store.forEach { (key: RawSpan, _: RawSpan) throws -> Void in try #expect(store.delete(key)) }
    #expect(store.count == 0)
  }

  @Test func aBodyThatThrowsEndsTheWalk() throws {
    struct Stop: Error {}
    for number in 0..<100 { try store.put("value", for: key(number)) }
    var visited = 0
    #expect(throws: Stop.self) {
      try store.forEach { (_: RawSpan, _: RawSpan) throws -> Void in
        visited += 1
        if visited == 10 { throw Stop() }
      }
    }
    #expect(visited == 10)
    // The walk's read has ended.
    try store.close()
  }
}
