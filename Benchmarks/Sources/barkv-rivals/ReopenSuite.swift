import BenchSupport
import Foundation

/// How long it takes until a store that was there before answers.
struct ReopenSuite {
  /// Opens a store and gets one entry; the time of both.
  static func open<Store: BenchStore>(_ type: Store.Type, _ setup: Setup, _ work: Work) throws -> (Sample, Store) {
    let value = ValueBuffer(bytes: setup.valueBytes)
    let begun = now()
    let store = try Store(setup)
    let session = try store.begin()
    let found = try unsafe session.get(UInt64(setup.records / 2), value.bytes)
    let milliseconds = Double(now() - begun) / 1e6
    guard found == setup.valueBytes, value.number == UInt64(setup.records / 2) else {
      throw RivalsError.wrongAnswer("after opening, entry \(setup.records / 2) is not there")
    }
    try session.end()
    let kind = Sample.Kind(
      store: setup.store, part: .speed, work: work, mode: .durable, valueBytes: setup.valueBytes, threads: 1)
    return (Sample(kind: kind, records: setup.records, operations: 1, value: milliseconds), store)
  }

  /// Opens what was closed, tells its time, and overwrites durably until the process is killed.
  static func writeUntilKilled<Store: BenchStore>(_ type: Store.Type, _ setup: Setup) throws -> Never {
    let (sample, store) = try open(type, setup, .reopenClosed)
    let session = try store.begin()
    let value = ValueBuffer(bytes: setup.valueBytes)
    var line = try JSONEncoder().encode([sample])
    line.append(UInt8(ascii: "\n"))
    FileHandle.standardOutput.write(line)
    var number: UInt64 = 0
    while true {
      number = (number &+ 7919) % UInt64(setup.records)
      value.number = number
      try unsafe session.put(number, value.source)
    }
  }

  /// Opens what a killed process has left, and checks that its records are there.
  static func recover<Store: BenchStore>(_ type: Store.Type, _ setup: Setup) throws -> [Sample] {
    let (sample, store) = try open(type, setup, .reopenKilled)
    let session = try store.begin()
    let numbers = stride(from: UInt64(0), to: UInt64(setup.records), by: max(1, setup.records / 10_000))
    try session.verify(numbers, version: nil, bytes: setup.valueBytes)
    try session.end()
    try store.close()
    return [sample]
  }
}
