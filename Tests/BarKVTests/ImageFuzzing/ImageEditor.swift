@testable import BarKV

/// A store's bytes by the places that Docs/Format.md gives them, to be damaged, with checksums that are right again if
/// wanted. It takes nothing from the code that reads and writes stores but the checksum itself.
struct ImageEditor {
  private(set) var bytes: [UInt8]

  init(_ image: [UInt8]) {
    bytes = image
  }

  // MARK: Places

  var stride: Int { bytes.count >= 64 << 10 ? 4096 : 512 }
  var segmentSize: Int { Int(load(UInt32.self, 40)) }
  var segmentCount: Int { Int(load(UInt32.self, 44)) }
  var firstSegment: Int { Int(clamping: load(UInt64.self, 48)) }
  private var seed: UInt64 { load(UInt64.self, 72) }
  /// Where the superblock's copies are.
  var superblocks: [Range<Int>] { [0..<256, stride..<stride + 256] }
  /// Where the manifest's areas are.
  var manifests: [Range<Int>] { [2 * stride..<3 * stride, 3 * stride..<4 * stride] }
  /// Where segments are, by their numbers.
  func segment(_ number: Int) -> Range<Int> {
    firstSegment + number * segmentSize..<firstSegment + (number + 1) * segmentSize
  }

  /// Whether the sizes that the first superblock gives are those of a region of this size.
  var isLaidOut: Bool {
    segmentSize >= 1024 && segmentSize <= bytes.count && segmentCount >= 1 && segmentCount <= bytes.count / 1024
      && firstSegment >= 4 * stride && firstSegment <= bytes.count - segmentCount * segmentSize
  }

  /// The numbers of the segments whose first header copy says that they are in use. What is inside a span is a value.
  var usedSegments: [Int] {
    var found: [Int] = []
    var number = 0
    while number < segmentCount {
      let start = segment(number).lowerBound
      let isUsed = load(UInt32.self, start) == 0x5356_4B42
      if isUsed { found.append(number) }
      number += isUsed ? max(1, Int(load(UInt32.self, start + 40))) : 1
    }
    return found
  }

  /// Where the records of a log segment are, headers only, by walking over their lengths.
  func records(ofSegment number: Int) -> [Int] {
    var found: [Int] = []
    let range = segment(number)
    guard bytes[range.lowerBound + 8] == 1 else { return [] }
    var position = range.lowerBound + 128
    while position + 64 <= range.upperBound, let length = recordLength(position), position + length <= range.upperBound
    {
      found.append(position)
      position += (length + 63) / 64 * 64
    }
    return found
  }

  /// The length of what may be a record, without its padding; `nil` where its kind is none.
  private func recordLength(_ position: Int) -> Int? {
    let bits = load(UInt16.self, position + 10)
    guard (1...5).contains(bits >> 12 & 7) else { return nil }
    return 12 + Int(load(UInt16.self, position + 8)) + Int(bits & 0xFFF)
  }

  // MARK: Bytes

  /// The little-endian integer at `offset`; bytes beyond the end are zero.
  func load<T: FixedWidthInteger>(_ type: T.Type, _ offset: Int) -> T {
    var value: T = 0
    for index in (0..<T.bitWidth / 8).reversed() {
      let position = offset + index
      value = value << 8 | (bytes.indices.contains(position) ? T(truncatingIfNeeded: bytes[position]) : 0)
    }
    return value
  }

  /// Stores a little-endian integer at `offset`, as far as there are bytes.
  mutating func store<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
    for index in 0..<T.bitWidth / 8 where bytes.indices.contains(offset + index) {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> T(index * 8))
    }
  }

  /// Flips a bit, counted from the region's start.
  mutating func flip(bit: Int) {
    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
  }

  /// Sets bytes from `offset` on.
  mutating func overwrite(_ offset: Int, _ content: some Collection<UInt8>) {
    for (index, byte) in content.enumerated() where bytes.indices.contains(offset + index) {
      bytes[offset + index] = byte
    }
  }

  /// Makes the region longer by zeros, or shorter.
  mutating func resize(_ count: Int) {
    if count < bytes.count {
      bytes.removeLast(bytes.count - count)
    } else {
      bytes += [UInt8](repeating: 0, count: count - bytes.count)
    }
  }

  // MARK: Checksums

  /// Makes every checksum right for what stands there now.
  mutating func fixChecksums() {
    for copy in superblocks { store(checksum(copy.lowerBound..<copy.lowerBound + 252, 0), copy.lowerBound + 252) }
    guard isLaidOut else { return }
    for area in manifests {
      let length = Int(load(UInt32.self, area.lowerBound + 8))
      guard length >= 8, length <= area.count else { continue }
      let salt = salt([seed], 0x4D56_4B42)
      store(checksum(area.lowerBound + 8..<area.lowerBound + length, salt), area.lowerBound + 4)
    }
    for number in usedSegments {
      for header in [segment(number).lowerBound, segment(number).lowerBound + 64] {
        store(checksum(header + 8..<header + 64, salt([seed], 0x5356_4B42)), header + 4)
      }
      fixRecords(number)
    }
  }

  private mutating func fixRecords(_ number: Int) {
    let salt = salt([seed, UInt64(number), load(UInt64.self, segment(number).lowerBound + 16)], 0)
    for position in records(ofSegment: number) {
      fixExtent(position)
      guard let length = recordLength(position) else { continue }
      store(checksum(position + 4..<position + length, salt), position)
    }
  }

  /// Makes the checksum in a reference to an extent right, where the extent is inside the region.
  private mutating func fixExtent(_ position: Int) {
    let bits = load(UInt16.self, position + 10)
    guard bits >> 12 & 7 == 2, bits & 0xFFF == 24 else { return }
    let reference = position + 12 + Int(load(UInt16.self, position + 8))
    guard let offset = Int(exactly: load(UInt64.self, reference)), offset >= firstSegment, offset < bytes.count else {
      return
    }
    let length = Int(load(UInt32.self, reference + 8))
    guard length <= bytes.count - offset else { return }
    let number = (offset - firstSegment) / segmentSize
    let generation = load(UInt64.self, firstSegment + number * segmentSize + 16)
    store(checksum(offset..<offset + length, salt([seed, UInt64(number), generation], 0)), reference + 12)
  }

  private func checksum(_ range: Range<Int>, _ seed: UInt32) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe Checksum.of(UnsafeRawBufferPointer(rebasing: $0[range]), seed: seed) }
  }

  private func salt(_ words: [UInt64], _ seed: UInt32) -> UInt32 {
    Checksum.of(words: words, seed: seed)
  }
}
