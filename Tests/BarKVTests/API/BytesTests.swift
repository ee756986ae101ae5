import BarKVFoundation
import Foundation
import Testing

@testable import BarKV

/// Keys and values are bytes, by whatever type they come.
@Suite struct BytesTests {
  private let store: Store

  init() throws {
    store = try Region(size: 1 << 20).create()
  }

  @Test func everyTypeStandsForItsBytes() throws {
    let text = "schlüssel"
    let bytes = Array(text.utf8)
    let longer = [0] + bytes + [0]
    try store.put(text, for: text)
    #expect(try store.get(bytes) == bytes)
    try store.put(("-" + text).dropFirst(), for: ("-" + text).dropFirst())
    try store.put(bytes, for: bytes)
    try store.put(longer[1..<longer.count - 1], for: longer[1..<longer.count - 1])
    try store.put(ContiguousArray(bytes), for: ContiguousArray(bytes))
    try store.put(Data(bytes), for: Data(bytes))
    try store.put(Data(longer)[1..<longer.count - 1], for: Data(longer)[1..<longer.count - 1])
    try unsafe store.put(bytes.span.bytes, for: bytes.span.bytes)
    #expect(store.count == 1)
    #expect(try store.getString(text) == text)
    #expect(try store.get(longer[1..<longer.count - 1]) == bytes)
    #expect(try store.get(ContiguousArray(bytes)) == bytes)
    #expect(try store.getData(Data(bytes)) == Data(bytes))
    #expect(try unsafe store.get(bytes.span.bytes) == bytes)
    #expect(try unsafe store.contains(bytes.span.bytes))
    #expect(try store.contains(text.dropFirst(0)))
    #expect(try unsafe store.delete(bytes.span.bytes))
    #expect(try store.get(text) == nil)
  }

  @Test func everyByteInKeysAndValues() throws {
    let all = (0...255).map { UInt8($0) }
    for byte in all { try store.put([byte, byte ^ 0xFF, 0], for: [byte]) }
    try store.put(Array(all.reversed()), for: all)
    try store.put(all, for: Array(all.reversed()))
    #expect(store.count == 258)
    for byte in all { #expect(try store.get([byte]) == [byte, byte ^ 0xFF, 0]) }
    #expect(try store.get(all) == all.reversed())
    #expect(try store.get(Array(all.reversed())) == all)
  }

  @Test func keysThatBeginAlikeAreDifferent() throws {
    let lengths = [1, 2, 7, 8, 9, 15, 16, 17, 51, 52, 53, 64, 300]
    for length in lengths { try store.put("\(length)", for: [UInt8](repeating: 0, count: length)) }
    #expect(store.count == lengths.count)
    for length in lengths {
      #expect(try store.getString([UInt8](repeating: 0, count: length)) == "\(length)")
      var other = [UInt8](repeating: 0, count: length)
      other[length - 1] = 1
      #expect(try !store.contains(other))
    }
  }

  @Test func emptyValue() throws {
    try store.put("", for: "key")
    #expect(try store.get("key") == [])
    #expect(try store.getString("key") == "")
    #expect(try store.contains("key"))
    #expect(try store.withValue(of: "key") { $0.byteCount } == 0)
    #expect(store.count == 1)
    try store.put(Data(), for: "data")
    #expect(try store.getData("data") == Data())
    #expect(try store.getData("absent") == nil)
  }

  @Test func textThatIsNone() throws {
    try store.put([0xFF, 0xFE] as [UInt8], for: "key")
    #expect(storeError { _ = try store.getString("key") } == .undecodableValue)
    #expect(try store.get("key") == [0xFF, 0xFE])
    #expect(try store.getString("absent") == nil)
  }
}
