import Testing

@testable import PeerDevices

/// Commands, answers and lists of pages, word by word from NVMe's tables.
@Suite struct EncodingTests {
  @Test func commands() {
    #expect(
      NVMeCommand.identify(structure: 1, namespace: 0, page: 0x1000).encoded(identifier: 7)
        == [0x0007_0006, 0, 0, 0x1000, 0, 1, 0, 0])
    #expect(
      NVMeCommand.createCompletionQueue(1, entries: 32, at: 0x2000).encoded(identifier: 0)
        == [0x05, 0, 0, 0x2000, 0, 0x0000_0001_001F_0001, 0, 0])
    #expect(
      NVMeCommand.createSubmissionQueue(1, entries: 32, at: 0x3000).encoded(identifier: 0)
        == [0x01, 0, 0, 0x3000, 0, 0x0001_0001_001F_0001, 0, 0])
    let read = NVMeCommand.transfer(2, namespace: 3, firstBlock: 0x1_2345_6789, blocks: 8, prp: (0x10, 0x20))
    #expect(read.encoded(identifier: 0xFFFF) == [0x3_FFFF_0002, 0, 0, 0x10, 0x20, 0x1_2345_6789, 7, 0])
  }

  @Test func answers() {
    let good = NVMeCompletion(0x0001_0005, 0x0001_0009)
    #expect(good.isSuccess && good.submissionHead == 5 && good.identifier == 9)
    #expect(NVMeCompletion.phase(0x0001_0009) && !NVMeCompletion.phase(0xFFFE_FFFF))
    // Status code type 2, code 85h; More and Do Not Retry, above them, are no part of it.
    let compare = NVMeCompletion(0, UInt32(0x285) << 17 | 1 << 31 | 1 << 30)
    #expect(compare.type == 2 && compare.code == 0x85 && !compare.isSuccess)
  }

  @Test func capabilities() {
    let word: UInt64 = 0x3F | 0x14 << 24 | 2 << 32 | 1 << 37 | 1 << 48
    let capabilities = NVMeRegisters.Capabilities(word: word)
    #expect(capabilities.queueEntries == 64 && capabilities.timeoutMilliseconds == 10_000)
    #expect(capabilities.doorbellStride == 16 && capabilities.smallestPageBytes == 8192 && capabilities.hasNVMCommands)
  }

  @Test func namespaces() throws {
    func namespace(_ words: [Int: UInt32]) throws(PeerError) -> NVMeNamespace {
      try NVMeNamespace(number: 1) { words[$0] ?? 0 }
    }
    // Format 1 of FLBAS, 4096 bytes.
    let found = try namespace([0: 100, 4: 1, 24: 1 << 16, 132: 12 << 16])
    #expect(found.blockCount == 0x1_0000_0064 && found.blockBytes == 4096)
    // Format 17, whose upper bits are apart.
    #expect(try namespace([0: 1, 24: 0x21 << 16, 128 + 4 * 17: 9 << 16]).blockBytes == 512)
    for words: [Int: UInt32] in [[:], [0: 1, 128: 9 << 16 | 8], [0: 1, 128: 8 << 16], [0: 1, 128: 255 << 16]] {
      #expect(throws: PeerError.self) { try namespace(words) }
    }
  }

  /// The entries of random ranges name each byte once, in order.
  @Test func pagesOfRanges() throws {
    print("pagesOfRanges: BARKV_SEED=\(baseSeed)")
    var generator = SeededGenerator(seed: baseSeed)
    for _ in 0..<2000 {
      let pieces = Int.random(in: 1...5, using: &generator)
      var ranges: [BusRange] = []
      for number in 0..<pieces {
        let page = UInt64.random(in: 0..<1 << 40, using: &generator) * 4096
        let skew = number == 0 ? 4 * Int.random(in: 0..<1024, using: &generator) : 0
        let pages = Int.random(in: 1...60, using: &generator)
        let short = number == pieces - 1 ? Int.random(in: 0..<4096 - skew, using: &generator) : 0
        ranges.append(try #require(BusRange(start: page + UInt64(skew), length: pages * 4096 - skew - short)))
      }
      let entries = try NVMePages(ranges).entries
      var rest = try #require(ranges.byteCount)
      var found: [UInt64] = []
      for entry in entries {
        let count = min(rest, 4096 - Int(entry % 4096))
        found += stride(from: entry, to: entry + UInt64(count), by: 512)
        rest -= count
      }
      #expect(rest == 0)
      let wanted = ranges.flatMap { range -> [UInt64] in
        var starts: [UInt64] = []
        var at = range.start
        while at < range.start + UInt64(range.length) {
          let end = min((at / 4096 + 1) * 4096, range.start + UInt64(range.length))
          starts += stride(from: at, to: end, by: 512)
          at = end
        }
        return starts
      }
      #expect(found == wanted)
    }
  }

  @Test func whereTheEntriesGo() throws {
    func pages(_ start: UInt64, _ length: Int) throws -> NVMePages {
      try NVMePages([#require(BusRange(start: start, length: length))])
    }
    #expect(try pages(0x1000, 4096).prp(listAddress: 9) == (0x1000, 0))
    #expect(try pages(0x1800, 4096).prp(listAddress: 9) == (0x1800, 0x2000))
    #expect(try pages(0x1000, 8193).prp(listAddress: 9) == (0x1000, 9))
    #expect(try pages(0x1000, 8193).list == [0x2000, 0x3000])
    #expect(try pages(0x1000, 513 * 4096).list.count == 512)
    for (start, length) in [(UInt64(0x1000), 514 * 4096), (0x1001, 512), (0, Int.max)] {
      #expect(throws: PeerError.self) { try pages(start, length) }
    }
    #expect(throws: PeerError.self) { try NVMePages([]) }
  }

  @Test func ranges() {
    #expect(BusRange(start: 0, length: 0) == nil && BusRange(start: .max, length: 2) == nil)
    #expect(BusRange(start: 5, length: -1) == nil)
  }

  @Test func mountedDisks() {
    let mounts =
      "proc /proc proc rw 0 0\n/dev/nvme1n1p2 /data ext4 rw 0 0\n/dev/nvme10n1 /other ext4 rw 0 0\n/dev/sda1 /\n"
    #expect(
      MountedDisk.find(controllers: ["nvme1"], in: mounts) == MountedDisk(device: "/dev/nvme1n1p2", place: "/data"))
    #expect(MountedDisk.find(controllers: ["nvme10"], in: mounts)?.place == "/other")
    #expect(MountedDisk.find(controllers: ["nvme0"], in: mounts) == nil)
    #expect(MountedDisk.find(controllers: [], in: mounts) == nil)
  }
}
