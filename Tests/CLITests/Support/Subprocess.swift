#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a subprocess could not be run.
struct SubprocessError: Error, CustomStringConvertible {
  let description: String
}

/// Runs a program with exact bytes for arguments and streams, and waits for it.
///
/// The program gets every descriptor of this process that is not close-on-exec, so the tests, which run at the same time,
/// open none without.
enum Subprocess {
  /// What one of the program's streams is.
  enum Stream {
    /// The file at a path: read from its start, or emptied and written.
    case file(String)
    /// A descriptor of this process.
    case descriptor(Int32)
  }

  /// How a program ended.
  enum Termination: Equatable {
    /// By itself, with this status.
    case exit(Int32)
    /// By this signal.
    case signal(Int32)
  }

  /// Runs the program at `path`.
  ///
  /// - Parameter ignoresBrokenPipes: whether the program starts with SIGPIPE ignored, as some parents leave it.
  static func run(
    _ path: String, arguments: [[UInt8]], environment: [String: String], input: Stream, output: Stream, errors: Stream,
    ignoresBrokenPipes: Bool = false
  ) throws -> Termination {
    try wait(
      for: start(
        path, arguments: arguments, environment: environment, input: input, output: output, errors: errors,
        ignoresBrokenPipes: ignoresBrokenPipes))
  }

  /// Starts the program at `path` and answers its process identifier; ``wait(for:)`` must follow.
  static func start(
    _ path: String, arguments: [[UInt8]], environment: [String: String], input: Stream, output: Stream, errors: Stream,
    ignoresBrokenPipes: Bool = false
  ) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (number, stream) in [(Int32(0), input), (1, output), (2, errors)] {
      switch stream {
      case .file(let path):
        let flags = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC
        unsafe posix_spawn_file_actions_addopen(&actions, number, path, flags, 0o600)
      case .descriptor(let descriptor):
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, number)
      }
    }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    if !ignoresBrokenPipes {
      var defaults = sigset_t()
      unsafe sigemptyset(&defaults)
      unsafe sigaddset(&defaults, SIGPIPE)
      unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
      unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    } else {
      signal(SIGPIPE, SIG_IGN)
    }

    let words = [Array(path.utf8)] + arguments
    let settings = environment.map { Array("\($0.key)=\($0.value)".utf8) }
    var process = pid_t()
    let code = unsafe withCStrings(words) { words in
      unsafe withCStrings(settings) { settings in
        unsafe posix_spawn(&process, path, &actions, &attributes, words, settings)
      }
    }
    guard code == 0 else { throw SubprocessError(description: "\(path) cannot be run: error \(code)") }
    return process
  }

  /// Waits until a started program ends.
  static func wait(for process: pid_t) throws -> Termination {
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw SubprocessError(description: "waiting failed: error \(errno)") }
    }
    // The C macros, which Swift does not import: the low seven bits are the signal, the next byte the status.
    let signal = status & 0x7F
    return signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
  }

  /// Calls `body` with `strings` as a C array that ends in a null pointer.
  private static func withCStrings<Result>(
    _ strings: [[UInt8]], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { string in
      unsafe strdup(string.map { CChar(bitPattern: $0) } + [0])
    }
    defer { unsafe pointers.forEach { unsafe free($0) } }
    unsafe pointers.append(nil)
    return unsafe body(pointers)
  }
}
