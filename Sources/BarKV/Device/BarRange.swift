/// What a base address register and its files in sysfs are, before it is judged.
struct BarRange: Sendable, Hashable {
  var index: Int
  var address: UInt64
  var size: UInt64
  var isMemory: Bool
  var is64Bit: Bool
  var isPrefetchable: Bool
  var resourceFile: String?
  var writeCombiningFile: String?
  /// Whether this process may open the resource file for reading and writing.
  var mayBeMapped: Bool
}
