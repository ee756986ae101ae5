@testable import BarKV
import Synchronization
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A run of StoreProcess, with its standard input and output on pipes.
final class ChildProcess {
  /// How a process ended.
  enum Termination: Equatable {
    /// By itself, with this status.
    case exit(Int32)
    /// By this signal.
    case signal(Int32)
  }

  /// Why a process could not be run.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let process: pid_t
  private var input: Int32?
  private let output: Int32
  private var termination: Termination?

  /// Starting a process takes the lock: one that starts meanwhile must not inherit this one's ends of the pipes, which
  /// are not yet close-on-exec.
  private static let starting = Locked(false)

  /// Starts StoreProcess.
  ///
  /// - Parameter additions: what the environment has beside the tests' own.
  init(_ arguments: [String], environment additions: [String: String] = [:]) throws {
    let executable = try Self.executable()
    (process, input, output) = try Self.starting.withLock { _ in
      let input = try Self.makePipe()
      let output = try Self.makePipe()
      defer {
        close(input.read)
        close(output.write)
      }
      var actions = unsafe posix_spawn_file_actions_t()
      unsafe posix_spawn_file_actions_init(&actions)
      defer { unsafe posix_spawn_file_actions_destroy(&actions) }
      unsafe posix_spawn_file_actions_adddup2(&actions, input.read, 0)
      unsafe posix_spawn_file_actions_adddup2(&actions, output.write, 1)
      var process = pid_t()
      let code = unsafe Self.withCStrings([executable] + arguments) { arguments in
        unsafe Self.withCStrings(Self.environment(adding: additions)) { environment in
          unsafe posix_spawn(&process, executable, &actions, nil, arguments, environment)
        }
      }
      guard code == 0 else {
        close(input.write)
        close(output.read)
        throw Failure(description: "\(executable) cannot be run: error \(code)")
      }
      return (process, input.write, output.read)
    }
  }

  deinit {
    if termination == nil {
      killProcess(process)
      _ = try? wait()
    }
    endInput()
    close(output)
  }

  /// Closes the process's standard input.
  func endInput() {
    if let input { close(input) }
    input = nil
  }

  /// Ends the process at once.
  func kill() {
    if termination == nil { killProcess(process) }
  }

  /// Whether there is something to read, or the end, within `milliseconds`.
  func waitForOutput(milliseconds: Int32) -> Bool {
    var request = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&request, 1, milliseconds) > 0
  }

  /// What the process has written; empty at the end.
  func read() -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe buffer.withUnsafeMutableBytes { buffer in
      while true {
        let count = unsafe readOnce(output, buffer)
        if count >= 0 || errno != EINTR { return count }
      }
    }
    return Array(buffer.prefix(max(0, count)))
  }

  /// All that the process writes until its end.
  func readAll() -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let part = read()
      if part.isEmpty { return all }
      all += part
    }
  }

  /// The next line that the process writes, or what is left at its end.
  func readLine() -> String {
    var line: [UInt8] = []
    var byte = [UInt8](repeating: 0, count: 1)
    while unsafe byte.withUnsafeMutableBytes({ unsafe readOnce(output, $0) }) == 1, byte[0] != 0x0A { line += byte }
    return String(decoding: line, as: UTF8.self)
  }

  /// Waits for the process's end.
  func wait() throws -> Termination {
    if let termination { return termination }
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw Failure(description: "waiting failed: error \(errno)") }
    }
    // The C macros, which Swift does not import: the low seven bits are the signal, the next byte the status.
    let signal = status & 0x7F
    let ended: Termination = signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
    termination = ended
    return ended
  }

  /// The process's identifier.
  var identifier: Int32 { process }

  // MARK: Helpers

  private static func makePipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    guard unsafe pipe(&ends) == 0 else { throw Failure(description: "no pipe: error \(errno)") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  private static func environment(adding additions: [String: String]) -> [String] {
    var result: [String] = additions.map { "\($0.key)=\($0.value)" }
    var position = 0
    while let entry = unsafe environ[position] {
      let text = unsafe String(cString: entry)
      if !additions.keys.contains(where: { text.hasPrefix($0 + "=") }) { result.append(text) }
      position += 1
    }
    return result
  }

  /// Where the build put StoreProcess: beside the program that runs the tests, or beside the bundle that it was given.
  private static func executable() throws -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let length = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    let program = String(decoding: buffer.prefix(max(0, length)), as: UTF8.self)
    for candidate in [program] + CommandLine.arguments {
      guard let slash = candidate.lastIndex(of: "/") else { continue }
      let path = "\(candidate[..<slash])/StoreProcess"
      if unsafe access(path, X_OK) == 0 { return path }
    }
    throw Failure(description: "StoreProcess is not beside \(program)")
  }

  /// Calls `body` with `strings` as a C array that ends in a null pointer.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe pointers.forEach { unsafe free($0) } }
    unsafe pointers.append(nil)
    return unsafe body(pointers)
  }
}

/// read(2), whose name a method hides.
private func readOnce(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
  unsafe read(descriptor, buffer.baseAddress, buffer.count)
}

/// kill(2) with SIGKILL, whose name a method hides.
private func killProcess(_ process: pid_t) {
  kill(process, SIGKILL)
}
