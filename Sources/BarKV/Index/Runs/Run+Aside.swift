/// Reading one place of a run without mapping a page of it.
extension Run {
  /// So many blocks are read at once: the block that has the place is nearly always among them, as places are spread evenly.
  private static var window: Int { 24 }
  /// After so many windows the search is left to the mapping.
  private static var mostWindows: Int { 4 }

  /// What came of it.
  enum Aside: Equatable {
    /// All entries of the place were added.
    case read
    /// Nothing was added: a block that was needed is damaged.
    case damaged(offset: Int)
    /// Nothing was added: the medium has no way to read so, or the place was not found.
    case impossible
  }

  /// Adds the entries of one place, as ``read(_:lines:from:to:into:)`` would.
  ///
  /// Right behind an opening hardly a page is mapped, and to map one takes three times as long as to have its bytes copied.
  ///
  /// - Complexity: a system call, seldom two.
  func readAside(_ medium: Medium, lines: Range<Int>, at key: UInt64, into entries: inout [RunEntry]) -> Aside {
    guard range.contains(key), blockCount > 0 else { return .read }
    let count = min(Self.window, blockCount)
    var first = min(max(0, likelyBlock(key) - count / 2), blockCount - count)
    return unsafe withUnsafeTemporaryAllocation(byteCount: count * RunBlock.byteCount, alignment: 8) { buffer in
      guard let blocks = UnsafeRawPointer(buffer.baseAddress) else { return .impossible }
      for _ in 0..<Self.mostWindows {
        guard unsafe medium.read(into: buffer, at: blockOffset(first)) else { return .impossible }
        let startsBefore = unsafe first == 0 || RunBlock.firstKey(blocks) < key
        let last = unsafe blocks + (count - 1) * RunBlock.byteCount
        let endsBehind = unsafe first + count == blockCount || RunBlock.firstKey(last) > key
        if startsBefore, endsBehind {
          var skipped = 0
          while skipped + 1 < count, unsafe RunBlock.firstKey(blocks + (skipped + 1) * RunBlock.byteCount) < key {
            skipped += 1
          }
          let before = entries.count
          let damage = unsafe decode(
            blocks + skipped * RunBlock.byteCount, numbers: first + skipped..<first + count, from: key, to: key + 1,
            regionBytes: medium.length, lines: lines, into: &entries)
          guard let damage else { return .read }
          entries.removeLast(entries.count - before)
          return .damaged(offset: damage)
        }
        first = startsBefore ? min(first + count - 1, blockCount - count) : max(first - count + 1, 0)
      }
      return .impossible
    }
  }
}
