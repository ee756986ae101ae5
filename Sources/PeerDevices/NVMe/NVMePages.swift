/// Where a command's data is: physical region pages (PRP; NVMe 2.1, 4.1.2).
///
/// The first entry may begin inside a page; all others are whole pages, and of the last one a part may be used. Two entries
/// are in the command; more of them are in a list, whose place the second entry then tells.
struct NVMePages: Sendable, Equatable {
  /// The bus addresses, one a page.
  let entries: [UInt64]

  /// The size of a page, as the driver sets it (CC.MPS = 0).
  static let pageBytes = 4096
  /// How many entries a list of one page has.
  static let listEntries = pageBytes / 8

  /// The pages of `ranges`, one behind the other.
  ///
  /// - Throws: ``PeerError/invalidRequest(_:)`` where a range but the first begins inside a page, one but the last ends
  ///   inside, the data does not begin at a multiple of four, or there are more pages than one list takes.
  init(_ ranges: [BusRange]) throws(PeerError) {
    var entries: [UInt64] = []
    let page = UInt64(Self.pageBytes)
    for (number, range) in ranges.enumerated() {
      guard number == 0 ? range.start % 4 == 0 : range.start % page == 0 else {
        throw .invalidRequest("a piece of memory at \(hex(range.start)) does not begin at a page, as NVMe has it")
      }
      let end = range.start + UInt64(range.length)
      guard number == ranges.count - 1 || end % page == 0 else {
        throw .invalidRequest("a piece of memory at \(hex(range.start)) ends inside a page, and more follows")
      }
      // Each page is an entry, so a range is counted before it is gone through.
      guard (end - 1) / page - range.start / page <= UInt64(Self.listEntries) else {
        throw .invalidRequest("\(range.length) bytes are more than a list of pages takes")
      }
      entries.append(range.start)
      var next = (range.start / page + 1) * page
      while next < end {
        entries.append(next)
        next += page
      }
    }
    guard !entries.isEmpty, entries.count <= 1 + Self.listEntries else {
      throw .invalidRequest("\(entries.count) pages are none, or more than one list takes")
    }
    self.entries = entries
  }

  /// What belongs in the list, nothing where the command has room for all.
  var list: ArraySlice<UInt64> { entries.count > 2 ? entries.dropFirst() : [] }

  /// The command's two entries, where `listAddress` is the list's place.
  func prp(listAddress: UInt64) -> (UInt64, UInt64) {
    switch entries.count {
    case 1: (entries[0], 0)
    case 2: (entries[0], entries[1])
    default: (entries[0], listAddress)
    }
  }
}

/// A bus address as people write it.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
