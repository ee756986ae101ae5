import SystemPackage

/// A buffered writer of bytes to a descriptor.
///
/// Short and interrupted writes are completed, a descriptor that someone made non-blocking is waited for, and a pipe
/// whose reader has gone throws ``BrokenPipe``. What is left in the buffer is written by ``flush()``: a writer that goes
/// away does not flush, since nobody could hear of the error.
final class ByteWriter {
  /// Where the bytes go.
  private let descriptor: FileDescriptor
  /// What an error message calls it.
  private let name: String
  /// Bytes not yet written.
  private var buffer: [UInt8] = []
  /// How many bytes are gathered before a write.
  private static let capacity = 1 << 16

  /// A writer to `descriptor`, which messages call `name`.
  init(_ descriptor: FileDescriptor, name: String) {
    self.descriptor = descriptor
    self.name = name
    buffer.reserveCapacity(Self.capacity)
  }

  /// Standard output.
  static func standardOutput() -> ByteWriter {
    ByteWriter(.standardOutput, name: "standard output")
  }

  /// Writes `bytes`; a large piece is not copied into the buffer first.
  func write(_ bytes: UnsafeRawBufferPointer) throws {
    if buffer.count + bytes.count > Self.capacity { try flush() }
    if bytes.count >= Self.capacity {
      try unsafe writeNow(bytes)
    } else {
      unsafe buffer.append(contentsOf: bytes)
    }
  }

  /// Writes `bytes`.
  func write(_ bytes: [UInt8]) throws {
    try unsafe bytes.withUnsafeBytes { try unsafe write($0) }
  }

  /// Writes `text` as UTF-8.
  func write(_ text: String) throws {
    try write(Array(text.utf8))
  }

  /// Writes one byte.
  @inline(__always)
  func write(byte: UInt8) throws {
    if buffer.count == Self.capacity { try flush() }
    buffer.append(byte)
  }

  /// Hands everything written so far to the system.
  func flush() throws {
    guard !buffer.isEmpty else { return }
    try unsafe buffer.withUnsafeBytes { try unsafe writeNow($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes `bytes` to the descriptor, all of them.
  private func writeNow(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = unsafe bytes[...]
    while unsafe !rest.isEmpty {
      do {
        let written = try unsafe descriptor.write(UnsafeRawBufferPointer(rebasing: rest), retryOnInterrupt: true)
        unsafe rest = rest.dropFirst(written)
      } catch Errno.wouldBlock {
        Platform.wait(for: descriptor.rawValue, toWrite: true)
      } catch Errno.brokenPipe {
        throw BrokenPipe()
      } catch let error as Errno {
        throw Failure(.inputOutput, "\(name): \(error.description)")
      }
    }
  }
}
