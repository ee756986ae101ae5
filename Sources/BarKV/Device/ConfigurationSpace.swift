import SystemPackage

/// The standard part of a function's configuration space, by its file in sysfs.
struct ConfigurationSpace: Sendable {
  /// The function's folder in sysfs.
  let directory: String

  private var path: String { "\(directory)/config" }

  /// The offset of the COMMAND register, and its bit for memory space (PCI Local Bus 3.0, 6.2.2).
  private static let commandOffset = 4
  private static let memorySpaceBit: UInt8 = 0x2

  /// Whether the function is there: one that is gone reads as all ones.
  var answers: Bool {
    guard let bytes = SmallFile.bytes(path, limit: 2), bytes.count == 2 else { return false }
    return bytes != [0xFF, 0xFF]
  }

  /// Whether the function is there and answers in memory space.
  var answersInMemorySpace: Bool { answers && isMemorySpaceEnabled == true }

  /// Whether the function answers in memory space; `nil` where that cannot be read.
  var isMemorySpaceEnabled: Bool? {
    guard let bytes = SmallFile.bytes(path, limit: 6), bytes.count == 6, Array(bytes[..<2]) != [0xFF, 0xFF] else {
      return nil
    }
    return bytes[Self.commandOffset] & Self.memorySpaceBit != 0
  }

  /// Has the function answer in memory space.
  ///
  /// The kernel's file `enable` counts its users, and does nothing where somebody has enabled the function and memory space
  /// was switched off since; so the register is looked at, and its bit set where that is needed. It stays set: to switch it
  /// off would take the memory from whoever else uses it.
  ///
  /// - Returns: whether it does now.
  func enableMemorySpace() -> Bool {
    if isMemorySpaceEnabled == true { return true }
    try? SmallFile.write("1", to: "\(directory)/enable")
    if isMemorySpaceEnabled == true { return true }
    guard let bytes = SmallFile.bytes(path, limit: 6), bytes.count == 6 else { return false }
    let command = [bytes[Self.commandOffset] | Self.memorySpaceBit, bytes[Self.commandOffset + 1]]
    try? SmallFile.overwrite(command, of: path, at: Int64(Self.commandOffset))
    return isMemorySpaceEnabled == true
  }
}
