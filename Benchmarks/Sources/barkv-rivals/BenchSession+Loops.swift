import BenchSupport
import CRawLoops

/// The loops that are timed, the same for every store. Each fails where an answer is wrong.
extension BenchSession {
  /// Puts entries whose keys are new.
  func puts(_ numbers: Range<Int>, _ value: ValueBuffer, seconds: Double) throws -> Tally {
    try paced(numbers.count, seconds: seconds) { index in
      let number = UInt64(numbers.lowerBound + index)
      value.number = number
      try unsafe put(number, value.source)
    }
  }

  /// Gets entries in the order given.
  func gets(_ numbers: ArraySlice<UInt32>, _ value: ValueBuffer, seconds: Double) throws -> Tally {
    var sum: UInt64 = 0
    let span = numbers.span
    value.spoil()
    let tally = try paced(span.count, seconds: seconds) { index in
      guard try unsafe get(UInt64(span[index]), value.bytes) == value.bytes.count else { throw missing(span[index]) }
      sum &+= value.number
    }
    var expected: UInt64 = 0
    for index in 0..<tally.operations { expected &+= UInt64(span[index]) }
    guard sum == expected else { throw RivalsError.wrongAnswer("the values of gets sum up to \(sum), not \(expected)") }
    return tally
  }

  /// Gets keys that were never put: entry `number + offset` for each number.
  func misses(_ numbers: ArraySlice<UInt32>, offset: Int, _ value: ValueBuffer, seconds: Double) throws -> Tally {
    let span = numbers.span
    return try paced(span.count, seconds: seconds) { index in
      guard try unsafe get(UInt64(span[index]) + UInt64(offset), value.bytes) == nil else {
        throw RivalsError.wrongAnswer("entry \(Int(span[index]) + offset) is there, but was never put")
      }
    }
  }

  /// Overwrites entries in the order given.
  func overwrites(_ numbers: ArraySlice<UInt32>, _ value: ValueBuffer, seconds: Double) throws -> Tally {
    let span = numbers.span
    return try paced(span.count, seconds: seconds) { index in
      let number = UInt64(span[index])
      value.number = number
      try unsafe put(number, value.source)
    }
  }

  /// Deletes entries in the order given.
  func deletes(_ numbers: ArraySlice<UInt32>, seconds: Double) throws -> Tally {
    let span = numbers.span
    return try paced(span.count, seconds: seconds) { index in try delete(UInt64(span[index])) }
  }

  /// YCSB A, B, C and F: reads of a share of 65,536, and else an update, which reads first where `readsFirst` is set.
  func mixed(
    _ numbers: ArraySlice<UInt32>, reads: UInt64, readsFirst: Bool, read: ValueBuffer, written: ValueBuffer,
    seconds: Double
  ) throws -> Tally {
    let span = numbers.span
    return try paced(span.count, seconds: seconds) { index in
      let number = UInt64(span[index])
      let isRead = crl_mix(UInt64(index)) & 0xffff < reads
      if isRead || readsFirst {
        guard try unsafe get(number, read.bytes) == read.bytes.count, read.number == number else {
          throw missing(span[index])
        }
      }
      if !isRead {
        written.number = number
        try unsafe put(number, written.source)
      }
    }
  }

  /// YCSB D: reads of entries put lately, and one put of a new one in twenty; the number of entries behind it.
  func latest(
    _ ranks: [UInt32], count: Int, read: ValueBuffer, written: ValueBuffer, seconds: Double
  ) throws -> (tally: Tally, count: Int) {
    let span = ranks.span
    var count = count
    let tally = try paced(span.count, seconds: seconds) { index in
      if crl_mix(UInt64(index)) & 0xffff < Shares.mostly {
        let number = UInt64(count - 1 - Int(span[index]))
        guard try unsafe get(number, read.bytes) == read.bytes.count, read.number == number else {
          throw missing(UInt32(number))
        }
      } else {
        written.number = UInt64(count)
        try unsafe put(UInt64(count), written.source)
        count += 1
      }
    }
    return (tally, count)
  }

  /// YCSB E: scans of 1 to 100 records, and one put of a new one in twenty; the number of entries behind it.
  func scans(
    _ numbers: [UInt32], count: Int, read: ValueBuffer, written: ValueBuffer, seconds: Double
  ) throws -> (tally: Tally, count: Int) {
    let span = numbers.span
    var count = count
    var asked = 0
    var found = 0
    let tally = try paced(span.count, seconds: seconds) { index in
      let random = crl_mix(UInt64(index))
      if random & 0xffff < Shares.mostly {
        let length = Int(random >> 32) % 100 + 1
        asked += length
        found += try unsafe scan(UInt64(span[index]), count: length, read.bytes)
      } else {
        written.number = UInt64(count)
        try unsafe put(UInt64(count), written.source)
        count += 1
      }
    }
    // A scan may meet the end of all keys, which happens to one in thousands.
    guard found <= asked, Double(found) >= 0.95 * Double(asked) else {
      throw RivalsError.wrongAnswer("scans of \(asked) records found \(found)")
    }
    return (tally, count)
  }

  /// Checks entries that a work has written, every so many of them: that they have this version and all their bytes.
  func verify(_ numbers: some Sequence<UInt64>, version: UInt64?, bytes: Int) throws {
    let value = ValueBuffer(bytes: bytes)
    for number in numbers {
      value.spoil()
      let found = try unsafe get(number, value.bytes)
      guard found == bytes, value.number == number, bytes == ValueBuffer.minimumBytes || value.end == 0x5a else {
        throw missing(UInt32(number))
      }
      if let version, value.version != version {
        throw RivalsError.wrongAnswer("entry \(number) has version \(value.version), not \(version)")
      }
    }
  }

  /// Checks that entries are not there.
  func verifyAbsent(_ numbers: some Sequence<UInt64>, bytes: Int) throws {
    let value = ValueBuffer(bytes: bytes)
    for number in numbers {
      guard try unsafe get(number, value.bytes) == nil else {
        throw RivalsError.wrongAnswer("entry \(number) was deleted and is there")
      }
    }
  }
}

/// Shares of 65,536: how often a mixed work reads.
enum Shares {
  static let half: UInt64 = 32_768
  static let mostly: UInt64 = 62_259
  static let always: UInt64 = 65_536
}

@inline(never) private func missing(_ number: UInt32) -> RivalsError {
  .wrongAnswer("entry \(number) is not there, or has another value")
}
