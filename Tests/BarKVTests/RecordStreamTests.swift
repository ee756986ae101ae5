import CBarKV
import Testing

@testable import BarKV

#if canImport(Glibc)
  import Glibc
#endif

/// Records that the processor puts together on their way to the region.
@Suite struct RecordStreamTests {
  /// Memory between two pages that nobody may touch: what reads past a key or a value ends the test.
  @safe
  private final class Fenced {
    let start: UnsafeMutableRawPointer
    let count: Int
    private let page = 4096

    init(pages: Int) {
      count = pages * page
      let whole = unsafe mmap(
        nil, count + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
      unsafe precondition(whole != MAP_FAILED)
      unsafe start = whole + page
      unsafe mprotect(whole, page, PROT_NONE)
      unsafe mprotect(whole + page + count, page, PROT_NONE)
    }

    deinit { unsafe munmap(start - page, count + 2 * page) }

    /// The last bytes, or the first.
    func bytes(_ count: Int, atEnd: Bool) -> UnsafeRawBufferPointer {
      unsafe UnsafeRawBufferPointer(start: atEnd ? start + self.count - count : start, count: count)
    }
  }

  /// A streamed record is byte for byte the one that is put together in memory, whatever the lengths of its key and its
  /// value; it reads nothing beside them and writes nothing behind its last line.
  @Test(.enabled(if: barkv_can_stream_record())) func aStreamedRecordIsTheSame() {
    let keys = Fenced(pages: 1)
    let values = Fenced(pages: 2)
    let target = Fenced(pages: 4)
    fill(keys, first: 1)
    fill(values, first: 100)
    let lengths = Array(0...140) + [191, 192, 193, 255, 256, 257, 1000]
    let valueLengths = Array(0...140) + [511, 512, 513, 4094, 4095]
    var built = [UInt8](repeating: 0, count: target.count)
    for keyLength in lengths {
      for valueLength in valueLengths {
        for atEnd in [false, true] {
          let key = unsafe keys.bytes(keyLength, atEnd: atEnd)
          let value = unsafe values.bytes(valueLength, atEnd: atEnd)
          let delta = UInt32(truncatingIfNeeded: keyLength &* 8191 &+ valueLength)
          let kind: RecordKind = valueLength == 0 ? .delete : .put
          let bytes = Record.lines(keyLength: keyLength, valueLength: valueLength) * lineSize
          let isSettled = keyLength % 2 == 0
          unsafe built.withUnsafeMutableBytes { built in
            unsafe Record.build(
              built.baseAddress!, delta: delta, key: key, value: value, kind: kind, isSettled: isSettled, salt: 77)
          }
          // At the end of what may be written, so that a line too many is seen.
          let place = unsafe target.start + target.count - bytes
          unsafe memset(place, 0xEE, bytes)
          let header = unsafe Record.headerWords(
            delta: delta, key: key, value: value, kind: kind, isSettled: isSettled, salt: 77)
          unsafe barkv_stream_record(
            place, header.head.littleEndian, header.lengths.littleEndian, key.baseAddress, key.count,
            value.baseAddress, value.count)
          barkv_store_fence()
          let streamed = unsafe UnsafeRawBufferPointer(start: place, count: bytes)
          guard unsafe streamed.elementsEqual(built[..<bytes]) else {
            Issue.record("a key of \(keyLength) and a value of \(valueLength) bytes, \(atEnd ? "at an end" : "")")
            return
          }
        }
      }
    }
  }

  /// Bytes of which neighbours differ, none zero.
  private func fill(_ memory: Fenced, first: Int) {
    for index in 0..<memory.count {
      unsafe memory.start.storeBytes(of: UInt8((first + index) % 251 + 1), toByteOffset: index, as: UInt8.self)
    }
  }
}
