import CBarKV

@testable import BarKV

/// Keys and values of a run by number, and what each pair adds to the digest of a store's contents.
struct ValueTable {
  private(set) var keys: [[UInt8]] = []
  private var values: [[UInt8]] = []
  private var numberOfValue: [[UInt8]: Int] = [:]
  private var numberOfKey: [[UInt8]: Int] = [:]
  private var digests: [Int: UInt64] = [:]

  init(keys: [[UInt8]]) {
    self.keys = keys
    for (number, key) in keys.enumerated() { numberOfKey[key] = number }
  }

  /// The number of a value; equal values have one.
  mutating func number(of value: [UInt8]) -> Int {
    if let known = numberOfValue[value] { return known }
    values.append(value)
    numberOfValue[value] = values.count - 1
    return values.count - 1
  }

  func number(ofKey key: [UInt8]) -> Int? { numberOfKey[key] }

  func value(_ number: Int) -> [UInt8] { values[number] }

  /// The digest of contents, given as a value's number for each key, or -1.
  mutating func digest(_ contents: [Int]) -> UInt64 {
    var sum: UInt64 = 0
    for (key, value) in contents.enumerated() where value >= 0 {
      let name = key << 32 | value
      if let known = digests[name] {
        sum &+= known
      } else {
        let digest = Self.digest(key: keys[key], value: values[value])
        digests[name] = digest
        sum &+= digest
      }
    }
    return sum
  }

  /// What an entry adds to the digest of contents.
  static func digest(key: [UInt8], value: [UInt8]) -> UInt64 {
    unsafe key.withUnsafeBytes { key in unsafe value.withUnsafeBytes { unsafe digest(key: key, value: $0) } }
  }

  @unsafe
  static func digest(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> UInt64 {
    // Never null: the hash of no bytes is asked for too.
    var nothing: UInt8 = 0
    return unsafe withUnsafePointer(to: &nothing) { empty in
      let name = unsafe barkv_hash(key.baseAddress ?? UnsafeRawPointer(empty), key.count, 0x6B65_7973)
      return unsafe barkv_hash(value.baseAddress ?? UnsafeRawPointer(empty), value.count, name)
    }
  }
}

extension Store {
  /// The digest of everything in the store, in whatever order it is visited.
  func contentsDigest() throws(StoreError) -> UInt64 {
    var sum: UInt64 = 0
    try forEach { (key: RawSpan, value: RawSpan) in
      unsafe key.withUnsafeBytes { key in
        unsafe value.withUnsafeBytes { value in sum &+= unsafe ValueTable.digest(key: key, value: value) }
      }
    }
    return sum
  }

  /// Everything in the store.
  func contents() throws(StoreError) -> [[UInt8]: [UInt8]] {
    var result: [[UInt8]: [UInt8]] = [:]
    try forEach { (key: RawSpan, value: RawSpan) in
      let name = unsafe key.withUnsafeBytes { unsafe Array($0) }
      result[name] = unsafe value.withUnsafeBytes { unsafe Array($0) }
    }
    return result
  }
}
