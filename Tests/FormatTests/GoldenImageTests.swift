import Testing

@testable import BarKV

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The committed image of version 3: read by every later build, and byte for byte what this one writes.
///
/// To make it anew after a change of the format, which takes a new version number: `BARKV_WRITE_GOLDEN=1 swift test
/// --filter GoldenImage`.
@Suite struct GoldenImageTests {
  /// The image in the source tree, beside this file.
  static let path = "\(#filePath.dropLast("GoldenImageTests.swift".count))Resources/golden-v3.barkv"

  private func committed() throws -> [UInt8] {
    if ProcessInfo.processInfo.environment["BARKV_WRITE_GOLDEN"] != nil {
      try Data(GoldenImage.make()).write(to: URL(filePath: Self.path))
    }
    return try Array(Data(contentsOf: URL(filePath: Self.path)))
  }

  @Test(arguments: [Access.readOnly, .readWrite]) func opens(_ access: Access) throws {
    let medium = try Medium.memory(image: try committed(), isWritable: access == .readWrite)
    let store = try Recovery.open(medium, path: "golden", access: access, options: StoreOptions())
    #expect(store.recovery.wasClosed)
    #expect(store.recovery.damageCount == 0)
    var contents: [[UInt8]: [UInt8]] = [:]
    try store.forEach { (key: RawSpan, value: RawSpan) in
      let name = unsafe key.withUnsafeBytes { unsafe Array($0) }
      contents[name] = unsafe value.withUnsafeBytes { unsafe Array($0) }
    }
    #expect(contents == GoldenImage.contents)
    for (key, value) in GoldenImage.contents { #expect(try store.get(key) == value) }
    #expect(try !store.contains("deleted"))
    let report = try store.verify()
    #expect(report.isSound, "\(report.damage)")
    #expect(report.extentCount == 1)
  }

  @Test func isWhatThisBuildWrites() throws {
    var image = try GoldenImage.make()
    var golden = try committed()
    // The process that committed the manifests, which has its place in the checksum too.
    for area in [1024, 2048] {
      for field in [area + 4..<area + 8, area + 40..<area + 44] {
        image.replaceSubrange(field, with: [0, 0, 0, 0])
        golden.replaceSubrange(field, with: [0, 0, 0, 0])
      }
    }
    let different = image.indices.filter { image[$0] != golden[$0] }
    #expect(image.count == golden.count)
    #expect(different.isEmpty, "at \(different.prefix(20))")
  }

  // MARK: Literal offsets, as Docs/Format.md has them

  private func number<T: FixedWidthInteger>(_ type: T.Type, _ bytes: [UInt8], _ offset: Int) -> T {
    bytes[offset..<offset + T.bitWidth / 8].reversed().reduce(0) { $0 << 8 | T($1) }
  }

  @Test func superblock() throws {
    let image = try committed()
    for copy in [0, 512] {
      #expect(image[copy..<copy + 8].elementsEqual([0x42, 0x61, 0x72, 0x4B, 0x56, 0x0D, 0x0A, 0x1A]))
      #expect(number(UInt32.self, image, copy + 8) == 0x0102_0304)
      #expect(number(UInt16.self, image, copy + 12) == 3)
      #expect(number(UInt16.self, image, copy + 14) == 256)
      #expect(number(UInt64.self, image, copy + 16) == 0)
      #expect(number(UInt64.self, image, copy + 24) == 0)
      #expect(number(UInt64.self, image, copy + 32) == 32 << 10)
      #expect(number(UInt32.self, image, copy + 40) == 2048)
      #expect(number(UInt32.self, image, copy + 44) == 14)
      #expect(number(UInt64.self, image, copy + 48) == 4096)
      #expect(number(UInt32.self, image, copy + 56) == 512)
      #expect(number(UInt32.self, image, copy + 60) == 64)
      #expect(number(UInt32.self, image, copy + 64) == 512)
      #expect(number(UInt64.self, image, copy + 72) == 0x0123_4567_89AB_CDEF)
      #expect(number(UInt64.self, image, copy + 80) == 0x1111_2222_3333_4444)
      #expect(number(UInt64.self, image, copy + 96) == 1_700_000_000)
      #expect(number(UInt32.self, image, copy + 252) == CRC32C.of(image[copy..<copy + 252], seed: 0))
    }
  }

  @Test func manifest() throws {
    let image = try committed()
    // Creation commits 1 (area B), the open commits 2 (A), the checkpoint 3 (B), the close 4 (A).
    let area = 1024
    #expect(image[area..<area + 4].elementsEqual(Array("BKVM".utf8)))
    let length = Int(number(UInt32.self, image, area + 8))
    #expect(length == 128 + 8 * (1 + 1 + 14) + 16 * (1 + 1))
    #expect(number(UInt32.self, image, area + 12) == 1)
    #expect(number(UInt64.self, image, area + 16) == 4)
    #expect(number(UInt64.self, image, area + 24) == 1)
    // One segment was open at the close.
    #expect(number(UInt32.self, image, area + 44) == 1)
    #expect(number(UInt32.self, image, area + 128) == 4)
    // The checkpoint: four generations, one of them a token's, 25 sequence numbers, 20 keys in 64 lines, one run, one segment
    // open at the cut.
    #expect(number(UInt64.self, image, area + 48) == 1 << 32 | 4)
    #expect(number(UInt64.self, image, area + 56) == 25)
    #expect(number(UInt64.self, image, area + 64) == 20)
    #expect(number(UInt64.self, image, area + 72) == 64)
    #expect(number(UInt64.self, image, area + 80) == 1)
    #expect(number(UInt32.self, image, area + 88) == 1)
    #expect(number(UInt32.self, image, area + 92) == 14)
    #expect(number(UInt32.self, image, area + 96) == 1)
    #expect(number(UInt32.self, image, area + 136) == 2)
    // What the segments were used for: records, an extent, records; nothing yet.
    let uses = (0..<14).map { number(UInt64.self, image, area + 144 + 8 * $0) }
    #expect(uses.map { $0 >> 62 } == [1, 2, 1] + [UInt64](repeating: 0, count: 11))
    #expect(uses[0] >> 31 & 0x7FFF_FFFF == 32)
    // The run, and the generation of its segment.
    #expect(number(UInt64.self, image, area + 256) == 10368)
    #expect(number(UInt64.self, image, area + 264) == 1 << 32 | 5)
    let salt = CRC32C.of(image[72..<80], seed: number(UInt32.self, image, area))
    #expect(number(UInt32.self, image, area + 4) == CRC32C.of(image[area + 8..<area + length], seed: salt))
  }

  @Test func reservation() throws {
    let image = try committed()
    let area = 1024
    #expect(number(UInt32.self, image, area + 100) == 1)
    let length = Int(number(UInt32.self, image, area + 8))
    let record = Int(number(UInt64.self, image, area + length - 16))
    let segment = 4096 + (record - 4096) / 2048 * 2048
    #expect(number(UInt64.self, image, area + length - 8) == number(UInt64.self, image, segment + 16))
    // Its record: the key, then the token's number, where the value goes, and when it was made.
    #expect(number(UInt16.self, image, record + 8) == 8)
    #expect(number(UInt16.self, image, record + 10) & 0x7FFF == 6 << 12 | 48)
    #expect(image[record + 12..<record + 20].elementsEqual(Array("reserved".utf8)))
    let content = record + 20
    #expect(number(UInt64.self, image, content) == 1 << 32 | 4)
    let extent = Int(number(UInt64.self, image, content + 8))
    let home = 4096 + (extent - 4096) / 2048 * 2048
    #expect(extent % 64 == 0 && image[home + 8] == 2)
    #expect(number(UInt64.self, image, content + 16) == number(UInt64.self, image, home + 16))
    #expect(number(UInt32.self, image, content + 24) == 100)
    #expect(number(UInt32.self, image, content + 28) == 1)
    #expect(number(UInt64.self, image, content + 32) == 1_700_000_001)
    #expect(number(UInt64.self, image, content + 40) == 0x0102_0304_0506_0708)
    #expect(image[content + 48..<record + 128].allSatisfy { $0 == 0 })
    #expect(image[extent + 64..<extent + 128].allSatisfy { $0 == 0 })
  }

  @Test func run() throws {
    let image = try committed()
    let segment = 10240
    #expect(image[segment + 8] == 3)
    let run = segment + 128
    #expect(image[run..<run + 4].elementsEqual(Array("BKVR".utf8)))
    #expect(number(UInt64.self, image, run + 8) == 1)
    #expect(number(UInt64.self, image, run + 16) == 0)
    #expect(number(UInt64.self, image, run + 24) == 1 << 40)
    #expect(number(UInt64.self, image, run + 32) == 20)
    #expect(number(UInt32.self, image, run + 40) == 1)
    #expect(number(UInt32.self, image, run + 44) == 1)
    let salt = CRC32C.of(
      (image[72..<80] + [3, 0, 0, 0, 0, 0, 0, 0] + image[segment + 16..<segment + 24])[...], seed: 0)
    #expect(number(UInt32.self, image, run + 4) == CRC32C.of(image[run + 8..<run + 64], seed: salt))

    // Its only block: 20 entries of 8 bytes, each with a place above and a line below that a record of a key starts on.
    let block = run + 64
    #expect(number(UInt16.self, image, block + 4) == 20)
    #expect(number(UInt16.self, image, block + 6) == 8)
    #expect(number(UInt32.self, image, block) == CRC32C.of(image[block + 4..<block + 256], seed: salt))
    let entries = (0..<20).map { number(UInt64.self, image, block + 16 + 8 * $0) }
    #expect(entries[0] >> 11 == 0)
    #expect(entries.map { $0 >> 11 } == entries.map { $0 >> 11 }.sorted())
    for entry in entries {
      #expect(entry & 1 == 0)
      let record = Int(entry >> 1 & 0x3FF) * 64
      #expect(record >= 4096 && number(UInt16.self, image, record + 8) > 0)
    }
    #expect(image[block + 16 + 8 * 20..<block + 256].allSatisfy { $0 == 0 })
  }

  @Test func segmentAndFirstRecord() throws {
    let image = try committed()
    let segment = 4096
    #expect(image[segment..<segment + 64] == image[segment + 64..<segment + 128])
    #expect(image[segment..<segment + 4].elementsEqual(Array("BKVS".utf8)))
    #expect(image[segment + 8] == 1)
    #expect(number(UInt32.self, image, segment + 12) == 0)
    let generation = number(UInt64.self, image, segment + 16)
    #expect(generation >> 32 == 1)
    #expect(number(UInt64.self, image, segment + 24) == 0)
    #expect(number(UInt32.self, image, segment + 40) == 1)
    let headerSalt = CRC32C.of(image[72..<80], seed: number(UInt32.self, image, segment))
    #expect(number(UInt32.self, image, segment + 4) == CRC32C.of(image[segment + 8..<segment + 64], seed: headerSalt))

    // The first record: put of “empty”, which has no value, as sequence number 1, with nothing before it.
    let record = segment + 128
    #expect(number(UInt32.self, image, record + 4) == 1)
    #expect(number(UInt16.self, image, record + 8) == 5)
    #expect(number(UInt16.self, image, record + 10) == 1 << 12)
    #expect(image[record + 12..<record + 17].elementsEqual(Array("empty".utf8)))
    #expect(image[record + 17..<record + 64].allSatisfy { $0 == 0 })
    var words = Array(image[72..<80])
    words += [0, 0, 0, 0, 0, 0, 0, 0]
    words += image[segment + 16..<segment + 24]
    let salt = CRC32C.of(words[...], seed: 0)
    #expect(number(UInt32.self, image, record) == CRC32C.of(image[record + 4..<record + 17], seed: salt))
    // The second is settled: the first was durable before it.
    #expect(number(UInt16.self, image, record + 64 + 10) & 0x8000 != 0)
  }

  /// The checksum itself, against the published check value of CRC-32C.
  @Test func checksum() {
    let digits = Array("123456789".utf8)
    let ours = unsafe digits.withUnsafeBytes { unsafe Checksum.of($0, seed: 0xFFFF_FFFF) ^ 0xFFFF_FFFF }
    #expect(ours == 0xE306_9283)
    #expect(CRC32C.of(digits[...], seed: 0xFFFF_FFFF) ^ 0xFFFF_FFFF == 0xE306_9283)
  }
}

/// CRC32C bit by bit: a second opinion.
enum CRC32C {
  static func of(_ bytes: ArraySlice<UInt8>, seed: UInt32) -> UInt32 {
    bytes.reduce(seed) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
  }
}
