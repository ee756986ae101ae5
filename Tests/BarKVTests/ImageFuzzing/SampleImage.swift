@testable import BarKV

/// A small store that has everything in it, as bytes to be damaged: records of every kind, sealed and open segments,
/// extents of one segment and of several.
struct SampleImage: Sendable {
  let bytes: [UInt8]
  let contents: Contents
  /// Every value that a key ever had.
  let history: [[UInt8]: Set<[UInt8]>]
  /// The key that was written last: without a close nothing after it proves that it was durable.
  let lastKey: [UInt8]

  static let deletedKeys = [key(3), key(4), key(50)]

  /// The store after a close.
  static let closed = SampleImage(isClosed: true)
  /// The store in use, as a kill leaves it.
  static let open = SampleImage(isClosed: false)

  /// A store whose values are nearly all in extents, closed; of several lanes and larger segments.
  static let mostlyExtents = SampleImage(extentsIn: 64 << 10)

  /// A store of many small segments with a batch over several of them, not closed.
  static let manySegments = SampleImage(manySegmentsIn: 16 << 10)

  /// The smallest store there is, closed.
  static let smallest = SampleImage(smallest: 8 << 10)

  private init(manySegmentsIn size: Int) {
    var contents: Contents = [:]
    let region = Region(size: size)
    do {
      let store = try region.create(segmentSize: 1 << 10, seed: 9)
      try store.put(value(60, length: 900), for: key(60))
      contents[key(60)] = value(60, length: 900)
      var batch = Batch()
      for number in 0..<24 {
        batch.put(value(number, length: 40), for: key(number))
        contents[key(number)] = value(number, length: 40)
      }
      try store.write(batch)
      try store.put(value(70, length: 10), for: key(70), durability: .deferred)
      try store.put(value(71, length: 10), for: key(71), durability: .deferred)
      try store.persist()
      for number in 70...71 { contents[key(number)] = value(number, length: 10) }
    } catch {
      fatalError("the sample cannot be made: \(error)")
    }
    self.init(bytes: region.image, contents: contents, written: contents, lastKey: key(71))
  }

  private init(smallest size: Int) {
    var contents: Contents = [:]
    var written: Contents = [:]
    let region = Region(size: size)
    do {
      let store = try region.create(seed: 10)
      for number in 0..<6 {
        contents[key(number)] = value(number, length: number * 13)
        try store.put(value(number, length: number * 13), for: key(number))
      }
      written = contents
      try store.delete(key(3))
      contents[key(3)] = nil
      try store.close()
    } catch {
      fatalError("the sample cannot be made: \(error)")
    }
    self.init(bytes: region.image, contents: contents, written: written, lastKey: key(3))
  }

  /// - Parameter written: the one value that each key ever had.
  private init(bytes: [UInt8], contents: Contents, written: Contents, lastKey: [UInt8]) {
    self.bytes = bytes
    self.contents = contents
    history = written.mapValues { [$0] }
    self.lastKey = lastKey
  }

  private init(extentsIn size: Int) {
    var contents: Contents = [:]
    var written: Contents = [:]
    let region = Region(size: size)
    do {
      let store = try region.create(segmentSize: 4 << 10, seed: 8)
      for number in 0..<6 {
        contents[key(number)] = value(number, length: 900 + number * 500)
        try store.put(value(number, length: 900 + number * 500), for: key(number))
      }
      written = contents
      try store.delete(key(3))
      contents[key(3)] = nil
      try store.close()
    } catch {
      fatalError("the sample cannot be made: \(error)")
    }
    self.init(bytes: region.image, contents: contents, written: written, lastKey: key(3))
  }

  private init(isClosed: Bool) {
    var contents: Contents = [:]
    var history: [[UInt8]: Set<[UInt8]>] = [:]
    let region = Region(size: 16 << 10)
    do {
      let store = try region.create(seed: 7)
      func put(_ number: Int, _ bytes: [UInt8]) throws {
        try store.put(bytes, for: key(number))
        contents[key(number)] = bytes
        history[key(number), default: []].insert(bytes)
      }
      for number in 0..<8 { try put(number, value(number, length: number * 9)) }
      try put(20, value(20, length: 300))
      for number in 0..<3 { try put(number, value(100 + number, length: 70)) }
      try put(21, value(21, length: 2500))
      try store.delete(key(3))
      contents[key(3)] = nil
      var batch = Batch()
      for number in 30..<34 {
        let bytes = value(number, length: 20)
        batch.put(bytes, for: key(number))
        contents[key(number)] = bytes
        history[key(number), default: []].insert(bytes)
      }
      batch.delete(key(4))
      batch.delete(key(50))
      contents[key(4)] = nil
      try store.write(batch)
      try put(20, value(200, length: 290))
      for number in 40..<46 { try put(number, value(number, length: 30)) }
      if isClosed { try store.close() }
    } catch {
      fatalError("the sample cannot be made: \(error)")
    }
    bytes = region.image
    self.contents = contents
    self.history = history
    lastKey = key(45)
  }
}

/// Tests name their arguments in what they print: not by all the bytes.
extension SampleImage: CustomStringConvertible {
  var description: String { "a store of \(bytes.count) bytes with \(contents.count) keys" }
}
