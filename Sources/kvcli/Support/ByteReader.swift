import SystemPackage

/// A buffered reader of bytes from a descriptor: whole, or line by line.
struct ByteReader {
  /// Where the bytes come from.
  private let descriptor: FileDescriptor
  /// What an error message calls it.
  let name: String
  /// The bytes read and not yet handed out are those from `position` on.
  private var buffer: [UInt8] = []
  /// Where the next line starts in `buffer`.
  private var position = 0
  /// Up to where `buffer` is known to hold no line end.
  private var searched = 0
  /// Whether the input has ended.
  private var atEnd = false
  /// The number of bytes handed out.
  private(set) var bytesConsumed = 0
  /// How many bytes are asked for at a time.
  private static let chunk = 1 << 18

  /// A reader of `descriptor`, which messages call `name`.
  init(_ descriptor: FileDescriptor, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  /// The size of the input where it is a file, for progress and for reserving memory.
  var fileSize: Int? {
    guard let position = try? descriptor.seek(offset: 0, from: .current),
      let end = try? descriptor.seek(offset: 0, from: .end),
      let back = try? descriptor.seek(offset: position, from: .start), back == position, end > position
    else { return nil }
    return Int(end - position)
  }

  /// Everything up to the input's end.
  ///
  /// - Throws: a ``Failure`` when there are more than `limit` bytes; then no more than that was read.
  mutating func readAll(limit: Int) throws -> [UInt8] {
    buffer.reserveCapacity(min(limit, fileSize ?? 0) + Self.chunk)
    while buffer.count <= limit, try fill() {}
    guard buffer.count <= limit else {
      throw Failure(.usage, "\(name): a value has at most \(limit) bytes; this input has more")
    }
    bytesConsumed = buffer.count
    defer { buffer = [] }
    return buffer
  }

  /// The next line without its line feed, or `nil` at the input's end; the last line may lack its line feed.
  ///
  /// - Throws: a ``Failure`` when the line has more than `limit` bytes.
  mutating func nextLine(limit: Int) throws -> ArraySlice<UInt8>? {
    while true {
      if let end = lineFeed() {
        let line = buffer[position..<end]
        bytesConsumed += line.count + 1
        position = end + 1
        searched = position
        guard line.count <= limit else { throw LineTooLong() }
        return line
      }
      searched = buffer.count
      guard buffer.count - position <= limit else { throw LineTooLong() }
      discardConsumed()
      guard try !fill() else { continue }
      guard position < buffer.count else { return nil }
      let line = buffer[position...]
      bytesConsumed += line.count
      position = buffer.count
      return line
    }
  }

  /// A line that no entry can need.
  struct LineTooLong: Error {}

  /// The first line feed from `searched` on.
  private func lineFeed() -> Int? {
    guard searched < buffer.count else { return nil }
    return buffer[searched...].firstIndex(of: UInt8(ascii: "\n"))
  }

  /// Moves what is left to the buffer's start.
  private mutating func discardConsumed() {
    guard position > 0 else { return }
    buffer.removeFirst(position)
    searched -= position
    position = 0
  }

  /// Reads one more chunk; `false` at the input's end.
  private mutating func fill() throws -> Bool {
    guard !atEnd else { return false }
    let filled = buffer.count
    // Long inputs are read in ever larger pieces, so that growing the buffer stays cheap.
    buffer.append(contentsOf: repeatElement(0, count: max(Self.chunk, min(filled, 1 << 23))))
    var count = 0
    defer { buffer.removeLast(buffer.count - filled - count) }
    while true {
      do {
        count = try unsafe buffer.withUnsafeMutableBytes { bytes in
          try unsafe descriptor.read(
            into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]), retryOnInterrupt: true)
        }
        atEnd = count == 0
        return count > 0
      } catch Errno.wouldBlock {
        Platform.wait(for: descriptor.rawValue, toWrite: false)
      } catch let error as Errno {
        throw Failure(.inputOutput, "\(name): \(error.description)")
      }
    }
  }
}
