import BarKV
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The built kvcli, run on files of a folder of its own, which goes when this goes.
final class CommandLineTool {
  /// What a run did.
  struct Outcome {
    /// How it ended.
    let termination: Subprocess.Termination
    /// What it wrote to standard output.
    let output: [UInt8]
    /// What it wrote to standard error.
    let errors: String

    /// The exit status, or `nil` where a signal ended it.
    var status: Int32? {
      guard case .exit(let status) = termination else { return nil }
      return status
    }

    /// Standard output as text.
    var text: String { String(decoding: output, as: UTF8.self) }
  }

  /// The folder.
  let folder: String
  /// Tells the files of runs apart.
  private var runCount = 0

  /// A tool with a new folder.
  init() throws {
    let base = Self.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(base)/barkv-cli-XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    try #require(made, "no folder can be made in \(base)")
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    // The folder is flat: every test names its files by `path`.
    if let entries = unsafe opendir(folder) {
      while let entry = unsafe readdir(entries) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
          unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { unsafe remove(path(name)) }
      }
      unsafe closedir(entries)
    }
    unsafe rmdir(folder)
  }

  /// The path of a file in the folder.
  func path(_ name: String) -> String {
    "\(folder)/\(name)"
  }

  /// A new store of `size`, by kvcli.
  func makeStore(_ name: String = "store", size: String = "8MiB") throws -> String {
    let outcome = try run("create", path(name), "--size", size)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return path(name)
  }

  /// Runs kvcli with `arguments`, and `input` as its standard input.
  func run(_ arguments: String..., input: [UInt8] = []) throws -> Outcome {
    try run(arguments, input: input)
  }

  /// Runs kvcli with `arguments`, and `input` as its standard input.
  func run(_ arguments: [String], input: [UInt8] = []) throws -> Outcome {
    try run(bytes: arguments.map { Array($0.utf8) }, input: input)
  }

  /// Runs kvcli with arguments of any bytes but zero.
  func run(
    bytes arguments: [[UInt8]], input: [UInt8] = [], output: Subprocess.Stream? = nil,
    errors: Subprocess.Stream? = nil, ignoresBrokenPipes: Bool = false
  ) throws -> Outcome {
    runCount += 1
    let inputPath = path("run\(runCount).in")
    let outputPath = path("run\(runCount).out")
    let errorPath = path("run\(runCount).err")
    try Files.write(input, to: inputPath)
    let termination = try Subprocess.run(
      Self.executable, arguments: arguments, environment: Self.environment, input: .file(inputPath),
      output: output ?? .file(outputPath), errors: errors ?? .file(errorPath),
      ignoresBrokenPipes: ignoresBrokenPipes)
    defer {
      for file in [inputPath, outputPath, errorPath] { unsafe remove(file) }
    }
    return Outcome(
      termination: termination,
      output: output == nil ? try Files.read(outputPath) : [],
      errors: errors == nil ? String(decoding: try Files.read(errorPath), as: UTF8.self) : "")
  }

  /// The tests' environment.
  static let environment: [String: String] = {
    var result: [String: String] = [:]
    var position = 0
    while let entry = unsafe environ[position] {
      let parts = unsafe String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
      position += 1
    }
    return result
  }()

  /// Where the build put kvcli: beside the program that runs the tests, or beside the bundle that it was given.
  static let executable: String = {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let length = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    let program = String(decoding: buffer.prefix(max(0, length)), as: UTF8.self)
    for candidate in [program] + CommandLine.arguments where candidate.contains("/") {
      let folder = candidate[..<(candidate.lastIndex(of: "/") ?? candidate.startIndex)]
      let path = "\(folder)/kvcli"
      if unsafe access(path, X_OK) == 0 { return path }
    }
    fatalError("kvcli is not beside \(program)")
  }()
}

/// Whole files as bytes.
enum Files {
  /// The bytes of the file at `path`.
  static func read(_ path: String) throws -> [UInt8] {
    guard let file = unsafe fopen(path, "rbe") else { throw SubprocessError(description: "\(path) cannot be read") }
    defer { unsafe fclose(file) }
    unsafe fseek(file, 0, SEEK_END)
    let size = unsafe ftell(file)
    unsafe rewind(file)
    var bytes = [UInt8](repeating: 0, count: max(0, size))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe fread($0.baseAddress, 1, $0.count, file) }
    try #require(count == bytes.count, "\(path) cannot be read whole")
    return bytes
  }

  /// Makes the file at `path` hold `bytes`.
  static func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = unsafe fopen(path, "wbe") else { throw SubprocessError(description: "\(path) cannot be written") }
    let count = unsafe bytes.withUnsafeBytes { unsafe fwrite($0.baseAddress, 1, $0.count, file) }
    let closed = unsafe fclose(file)
    try #require(count == bytes.count && closed == 0, "\(path) cannot be written whole")
  }

  /// Whether there is a file at `path`.
  static func exists(_ path: String) -> Bool {
    unsafe access(path, F_OK) == 0
  }
}

/// Every place where `pattern` stands in `bytes`.
func positions(of pattern: [UInt8], in bytes: [UInt8]) -> [Int] {
  guard let first = pattern.first, bytes.count >= pattern.count else { return [] }
  var result: [Int] = []
  var start = 0
  while let position = bytes[start..<(bytes.count - pattern.count + 1)].firstIndex(of: first) {
    if bytes[position..<position + pattern.count].elementsEqual(pattern) { result.append(position) }
    start = position + 1
  }
  return result
}

/// A generator of random bytes whose sequence is known by its seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// A generator; print the seed with every failure.
  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// `count` random bytes.
  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
