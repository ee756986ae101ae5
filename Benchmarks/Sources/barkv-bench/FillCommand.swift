import ArgumentParser
import BarKV
import BenchSupport
import CRawLoops
import Foundation

/// The process that an opening is measured after: it fills a store, says so, and goes on writing until it is killed.
struct FillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fill", abstract: "Fills a store and writes on until it is killed.", shouldDisplay: false)

  @Argument var path: String
  @Option var keys: Int
  @Option var valueBytes: Int
  @Option var size: Int

  mutating func run() throws {
    forcePersistentMemory()
    let store = try Store.create(at: StoreAddress(path: path), size: size, replacing: true)
    var value = valueWords(bytes: valueBytes)
    var batch = Batch()
    for number in 0..<keys {
      value[0] = UInt64(number)
      let key = key(of: value[0])
      unsafe batch.put(value.span.bytes.extracting(first: valueBytes), for: key.span.bytes)
      if batch.count == 64 || number == keys - 1 {
        try store.write(batch)
        batch.removeAll(keepingCapacity: true)
      }
    }
    FileHandle.standardOutput.write(Data("filled\n".utf8))
    // Overwrites, so that the number of keys stays.
    var number: UInt64 = 0
    while true {
      number = (number &+ 7_919) % UInt64(keys)
      value[0] = number
      let key = key(of: number)
      unsafe try store.put(value.span.bytes.extracting(first: valueBytes), for: key.span.bytes)
    }
  }
}
