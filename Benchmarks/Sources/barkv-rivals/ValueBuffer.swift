/// A value, or room for one: its first word is the entry's number, its second one tells the writes of an entry apart.
@safe final class ValueBuffer {
  /// The fewest bytes that hold both words.
  static let minimumBytes = 16

  let bytes: UnsafeMutableRawBufferPointer

  init(bytes count: Int) {
    unsafe bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0x5a)
  }

  deinit { unsafe bytes.deallocate() }

  var number: UInt64 {
    @inline(__always) get { unsafe bytes.load(as: UInt64.self) }
    @inline(__always) set { unsafe bytes.storeBytes(of: newValue, as: UInt64.self) }
  }

  var version: UInt64 {
    get { unsafe bytes.load(fromByteOffset: 8, as: UInt64.self) }
    set { unsafe bytes.storeBytes(of: newValue, toByteOffset: 8, as: UInt64.self) }
  }

  /// The last byte, which every value has in common.
  var end: UInt8 { unsafe bytes[bytes.count - 1] }

  /// Spoils what is there, so that a get that copies nothing is found out.
  func spoil() {
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0xee)
  }

  /// What is put.
  var source: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(bytes) }
}
