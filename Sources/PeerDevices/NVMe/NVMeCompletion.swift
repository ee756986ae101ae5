/// A controller's answer to a command: 16 bytes in a completion queue (NVMe 2.1, 4.2.1).
struct NVMeCompletion: Sendable, Equatable {
  /// The number of bytes of an answer in a queue.
  static let byteCount = 16

  /// How far the controller has fetched the submission queue.
  let submissionHead: UInt16
  /// The identifier of the command.
  let identifier: UInt16
  /// The status code type and the status code, both 0 for success.
  let type: UInt8
  let code: UInt8

  /// From the third and fourth 32-bit words.
  init(_ third: UInt32, _ fourth: UInt32) {
    submissionHead = UInt16(truncatingIfNeeded: third)
    identifier = UInt16(truncatingIfNeeded: fourth)
    code = UInt8(truncatingIfNeeded: fourth >> 17)
    type = UInt8(truncatingIfNeeded: fourth >> 25 & 0x7)
  }

  /// The bit that tells a new answer from one of the round before.
  static func phase(_ fourth: UInt32) -> Bool { fourth >> 16 & 1 != 0 }

  var isSuccess: Bool { type == 0 && code == 0 }
}
