/// How the processor treats accesses to a mapping.
public enum MemoryType: String, Sendable, Hashable, CaseIterable {
  /// Each access goes to the device by itself, in program order; the kernel's `uncached` and `uncached-minus`.
  case uncached
  /// Stores are gathered and go out as lines, in no order until a fence.
  case writeCombining
  /// Cached for reading; stores go through.
  case writeThrough
  /// Cached for reading and writing.
  case writeBack

  /// The type that the kernel calls by that name.
  init?(kernelName name: some StringProtocol) {
    switch name {
    case "uncached", "uncached-minus": self = .uncached
    case "write-combining": self = .writeCombining
    case "write-through": self = .writeThrough
    case "write-back": self = .writeBack
    default: return nil
    }
  }
}

/// What the kernel tracks about the memory types of physical addresses: `/sys/kernel/debug/x86/pat_memtype_list`.
///
/// A second mapping of a page silently gets the first one's type (`arch/x86/mm/pat/memtype.c`), so that what was asked for
/// is not what one has until this was read.
struct MemoryTypeList: Sendable {
  private struct Entry: Sendable {
    var range: Range<UInt64>
    var type: MemoryType
  }

  private let entries: [Entry]

  /// Reads the kernel's list: lines such as `PAT: [mem 0x00000000fea00000-0x00000000fea10000] write-combining`, and in
  /// older kernels `write-combining @ 0xfea00000-0xfea10000`. Other lines are none of it.
  init(text: String) {
    entries = text.split(separator: "\n").compactMap { line in
      let words = line.split { " []@".contains($0) }
      guard let type = words.lazy.compactMap({ MemoryType(kernelName: $0) }).first else { return nil }
      for word in words where word.hasPrefix("0x") {
        let ends = word.split(separator: "-").map { UInt64($0.dropFirst(2), radix: 16) }
        if ends.count == 2, let start = ends[0], let end = ends[1], start < end {
          return Entry(range: start..<end, type: type)
        }
      }
      return nil
    }
  }

  /// The list of the kernel whose sysfs is at `root`; `nil` where it cannot be read: debugfs is not mounted, or this
  /// process is not root's, or the kernel tracks nothing.
  init?(sysfs root: String) {
    guard let text = SmallFile.text("\(root)/kernel/debug/x86/pat_memtype_list", limit: 1 << 20) else { return nil }
    self.init(text: text)
  }

  /// The type of all of `range`; `nil` where the list does not say, or says more than one.
  func type(of range: Range<UInt64>) -> MemoryType? {
    let types = Set(entries.filter { $0.range.overlaps(range) }.map(\.type))
    return types.count == 1 ? types.first : nil
  }
}
