import ArgumentParser
import SystemPackage

/// The process's arguments, byte for byte.
///
/// Arguments are bytes, but the argument parser works on strings, and Swift repairs what is not valid UTF-8: a key would
/// be changed silently. Here each byte that is not part of a valid sequence becomes a character of its own in the private
/// range `U+10FF00 + byte`, and genuine characters of that range become four such characters, one a byte. So every
/// argument has one string, and the string has all of its bytes.
enum RawArguments {
  /// The first character of the range that stands for single bytes.
  private static let base: UInt32 = 0x10_FF00

  /// The arguments of this process, its name left out.
  static var current: [String] {
    var result: [String] = []
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = unsafe CommandLine.unsafeArgv[index] else { break }
      var bytes: [UInt8] = []
      var position = 0
      while unsafe argument[position] != 0 {
        unsafe bytes.append(UInt8(bitPattern: argument[position]))
        position += 1
      }
      result.append(string(of: bytes))
    }
    return result
  }

  /// The string that stands for `bytes`; valid UTF-8 outside the private range stands for itself.
  static func string(of bytes: [UInt8]) -> String {
    var scalars = String.UnicodeScalarView()
    var position = 0
    while position < bytes.count {
      let length = UTF8Text.sequenceLength(in: bytes, at: position)
      let sequence = bytes[position..<position + max(1, length)]
      let scalar = length > 0 ? String(decoding: sequence, as: UTF8.self).unicodeScalars.first : nil
      if let scalar, scalar.value < base {
        scalars.append(scalar)
      } else {
        for byte in sequence {
          // Safe: base + 255 is the last code point there is.
          if let scalar = Unicode.Scalar(base + UInt32(byte)) { scalars.append(scalar) }
        }
      }
      position += sequence.count
    }
    return String(scalars)
  }

  /// The bytes that `string` stands for.
  static func bytes(of string: String) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(string.utf8.count)
    for scalar in string.unicodeScalars {
      if scalar.value >= base {
        result.append(UInt8(truncatingIfNeeded: scalar.value))
      } else {
        result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    return result
  }

  /// The path that the argument `string` names, byte for byte.
  static func path(of string: String) -> FilePath {
    // An argument has no zero byte, so this one ends it.
    unsafe FilePath(platformString: bytes(of: string).map { CChar(bitPattern: $0) } + [0])
  }

  /// The path that an argument names where an ordinary string has to hold it.
  ///
  /// - Throws: a usage error where it cannot, or is empty.
  static func ordinaryPath(_ string: String) throws -> String {
    guard isOrdinary(string), !string.isEmpty else {
      throw ValidationError("a path must be valid UTF-8, and not empty")
    }
    return string
  }

  /// Whether every byte of the argument is kept by an ordinary Swift string.
  static func isOrdinary(_ string: String) -> Bool {
    string.unicodeScalars.allSatisfy { $0.value < base }
  }
}
