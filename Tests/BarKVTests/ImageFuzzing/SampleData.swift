@testable import BarKV

/// What a store is expected to hold.
typealias Contents = [[UInt8]: [UInt8]]

/// The bytes of a span.
func array(_ span: RawSpan) -> [UInt8] {
  unsafe span.withUnsafeBytes { unsafe Array($0) }
}

/// A key that is a number, four bytes long.
func key(_ number: Int) -> [UInt8] {
  unsafe withUnsafeBytes(of: UInt32(number).bigEndian) { unsafe Array($0) }
}

/// A value of `length` bytes that its number decides.
func value(_ number: Int, length: Int) -> [UInt8] {
  var generator = SeededGenerator(seed: UInt64(bitPattern: Int64(number)))
  return generator.bytes(length)
}

/// The error that `body` throws, if it throws a store's.
func storeError(_ body: () throws -> Void) -> StoreError? {
  do {
    try body()
    return nil
  } catch {
    return error as? StoreError
  }
}

/// Whether `body` was carried out, not refused because the store is full.
func isDone(_ body: () throws -> Void) throws -> Bool {
  do {
    try body()
    return true
  } catch {
    if error as? StoreError == .full { return false }
    throw error
  }
}
