@testable import BarKV

/// The image that pins the format: made by the same calls each time, from a superblock without anything random.
///
/// It is committed as `Resources/golden-v3.barkv`. A build that no longer reads it, or that writes other bytes, has
/// changed the format.
enum GoldenImage {
  static let size = 32 << 10
  static let segmentSize = 2 << 10

  /// What is in it, in the end.
  static var contents: [[UInt8]: [UInt8]] {
    var contents: [[UInt8]: [UInt8]] = [
      key("empty"): [],
      key("text"): Array("a value of some length".utf8),
      key("overwritten"): Array("second".utf8),
      key("batch/1"): [1],
      key("batch/2"): [2, 2],
      key("deferred"): Array("later".utf8),
      Array(0...255): Array((0...255).reversed()),
      key("extent"): (0..<1500).map { UInt8(truncatingIfNeeded: $0 * 7) },
    ]
    for number in 0..<24 { contents[key("filler/\(number)")] = [UInt8](repeating: UInt8(number), count: 100) }
    return contents
  }

  static func superblock() throws -> Superblock {
    Superblock(
      geometry: try Geometry(regionBytes: size, segmentSize: segmentSize), seed: 0x0123_4567_89AB_CDEF,
      identifier: (0x1111_2222_3333_4444, 0x5555_6666_7777_8888), created: 1_700_000_000)
  }

  /// Makes the image: the bytes of the region after a close.
  static func make() throws -> [UInt8] {
    let superblock = try superblock()
    var options = StoreOptions()
    options.maximumLanes = 1
    options.maintainsInBackground = false
    options.bootIdentity = 0x0102_0304_0506_0708
    let blank = [UInt8](repeating: 0, count: size)
    let image = ImageKeeper(blank)
    let medium = try Medium.memory(image: blank, observer: image)
    let store = try Store.create(
      on: medium, geometry: superblock.geometry, path: "golden", options: options, superblock: superblock)
    try store.put([UInt8](), for: "empty")
    try store.put("a value of some length", for: "text")
    try store.put("first", for: "overwritten")
    try store.put("second", for: "overwritten")
    try store.put("soon gone", for: "deleted")
    try store.delete("deleted")
    var batch = Batch()
    batch.put([UInt8(1)], for: "batch/1")
    batch.put([UInt8(2), 2], for: "batch/2")
    batch.delete("batch/3")
    try store.write(batch)
    try store.put("later", for: "deferred", durability: .deferred)
    try store.persist()
    try store.put([UInt8](Array((0...255).reversed())), for: [UInt8](0...255))
    try store.put((0..<1500).map { UInt8(truncatingIfNeeded: $0 * 7) }, for: "extent")
    // Enough to seal the first segment and open a second. The index of the first half is in a run, the rest in the tail.
    for number in 0..<12 { try store.put([UInt8](repeating: UInt8(number), count: 100), for: "filler/\(number)") }
    // Open at the cut, so that the checkpoint names it.
    _ = try store.reserve(100, key: key("reserved"), alignment: 64, created: 1_700_000_001)
    try store.checkpoint()
    for number in 12..<24 { try store.put([UInt8](repeating: UInt8(number), count: 100), for: "filler/\(number)") }
    try store.close()
    return image.bytes
  }

  private static func key(_ text: String) -> [UInt8] { Array(text.utf8) }
}
