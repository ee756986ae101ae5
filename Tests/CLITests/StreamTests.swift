import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Pipes that break, terminals that see progress, and a load that is killed.
@Suite struct StreamTests {
  let tool: CommandLineTool

  init() throws {
    tool = try CommandLineTool()
  }

  /// A store with more entries than a pipe holds.
  func largeStore() throws -> String {
    let store = try tool.makeStore(size: "16MiB")
    let lines = (0..<5000).map { "key\($0)\t\(String(repeating: "v", count: 100))\n" }.joined()
    try #require(try tool.run("load", store, input: Array(lines.utf8)).status == 0)
    return store
  }

  /// The writing end of a pipe that nobody reads.
  func openBrokenPipe() throws -> Int32 {
    try #require(unsafe mkfifo(tool.path("fifo"), 0o600) == 0)
    let reader = unsafe open(tool.path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    let writer = unsafe open(tool.path("fifo"), O_WRONLY | O_CLOEXEC)
    try #require(reader >= 0 && writer >= 0)
    close(reader)
    return writer
  }

  /// A broken pipe ends a command by its signal, but not before the store is closed.
  @Test func aReaderThatGoesAwayLetsALoadCloseTheStore() throws {
    let store = try tool.makeStore()
    let writer = try openBrokenPipe()
    defer { close(writer) }
    let outcome = try tool.run(
      bytes: ["load", store, "--acknowledge"].map { Array($0.utf8) }, input: Array("a\t1\n".utf8),
      output: .descriptor(writer))
    #expect(outcome.termination == .signal(SIGPIPE))
    #expect(outcome.errors == "")
    #expect(try JSONReport(tool.run("info", store, "--json")).object("recovery").boolean("wasClosed"))
    #expect(try readEntries(of: store) == [[97]: [49]])
  }

  @Test(arguments: [false, true])
  func aReaderThatGoesAwayEndsADumpQuietly(ignoresBrokenPipes: Bool) throws {
    let store = try largeStore()
    let writer = try openBrokenPipe()
    defer { close(writer) }
    let outcome = try tool.run(
      bytes: [Array("dump".utf8), Array(store.utf8)], output: .descriptor(writer),
      ignoresBrokenPipes: ignoresBrokenPipes)
    #expect(outcome.termination == .signal(SIGPIPE))
    #expect(outcome.errors == "")
    #expect(try tool.run("verify", store).status == 0)
  }

  @Test func progressIsForTerminalsOnly() throws {
    let store = try tool.makeStore()
    let lines = Array((0..<100).map { "key\($0)\tvalue\n" }.joined().utf8)
    #expect(try tool.run("load", store, input: lines).errors == "")
    #expect(try tool.run("verify", store).errors == "")
    #expect(try tool.run("bench", store, "--records", "100").errors == "")

    let (master, terminal) = try openTerminal()
    defer {
      close(master)
      close(terminal)
    }
    let outcome = try tool.run(
      bytes: ["load", store].map { Array($0.utf8) }, input: lines, errors: .descriptor(terminal))
    #expect(outcome.status == 0)
    #expect(outcome.text.hasPrefix("loaded 100 lines"))
    var shown = [UInt8](repeating: 0, count: 4096)
    let count = unsafe read(master, &shown, shown.count)
    #expect(String(decoding: shown.prefix(max(0, count)), as: UTF8.self).contains("loading: "))
  }

  /// A new terminal: the side that reads what is shown, and the side that is a program's.
  func openTerminal() throws -> (master: Int32, terminal: Int32) {
    // TIOCSPTLCK and TIOCGPTN, whose definitions Swift cannot import.
    let (unlock, askNumber) = (UInt(0x4004_5431), UInt(0x8004_5430))
    let master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (lock, number) = (Int32(0), Int32(-1))
    try #require(unsafe ioctl(master, unlock, &lock) == 0)
    try #require(unsafe ioctl(master, askNumber, &number) == 0)
    let terminal = unsafe open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
    try #require(terminal >= 0)
    return (master, terminal)
  }

  @Test(.timeLimit(.minutes(5)))
  func aKilledLoadKeepsWhatItAcknowledged() throws {
    let store = try tool.makeStore()
    let (input, output) = (tool.path("fifo"), tool.path("acknowledged"))
    try #require(unsafe mkfifo(input, 0o600) == 0)
    // Held open for writing, so that the load waits for more lines when it is killed.
    let writer = unsafe open(input, O_RDWR | O_CLOEXEC)
    try #require(writer >= 0)
    defer { close(writer) }
    let lines = (0..<1000).map { "key\($0)\tvalue \($0)\n" }
    let text = Array(lines.joined().utf8)
    try #require(unsafe write(writer, text, text.count) == text.count)
    let process = try Subprocess.start(
      CommandLineTool.executable, arguments: ["load", store, "--acknowledge", "--batch", "7"].map { Array($0.utf8) },
      environment: CommandLineTool.environment, input: .file(input), output: .file(output),
      errors: .file(tool.path("errors")))
    var acknowledged = 0
    while acknowledged < 500 {
      usleep(1000)
      guard Files.exists(output) else { continue }
      let figures = String(decoding: try Files.read(output), as: UTF8.self).split(separator: "\n")
      acknowledged = figures.last.flatMap { Int($0) } ?? 0
    }
    kill(process, SIGKILL)
    #expect(try Subprocess.wait(for: process) == .signal(SIGKILL))

    // The figure written last may be cut off; those before it are whole.
    let figures = String(decoding: try Files.read(output), as: UTF8.self).split(separator: "\n").dropLast()
    let durable = try #require(figures.last.flatMap { Int($0) })
    let entries = try readEntries(of: store)
    let lost = (0..<durable).filter { entries[Array("key\($0)".utf8)] != Array("value \($0)".utf8) }
    #expect(lost.isEmpty)
    // Groups are whole.
    #expect(entries.count.isMultiple(of: 7) || entries.count == 1000)
    let report = try JSONReport(tool.run("info", store, "--json"))
    #expect(try report.object("recovery").boolean("wasClosed") == false)
    #expect(try tool.run("verify", store).status == 0)
  }

  /// Runs a line of shell in which `$1` is kvcli and `$2` the store.
  func shell(_ line: String, _ store: String) throws -> (termination: Subprocess.Termination, errors: String) {
    let termination = try Subprocess.run(
      "/bin/sh", arguments: ["-c", line, "sh", CommandLineTool.executable, store].map { Array($0.utf8) },
      environment: CommandLineTool.environment, input: .file("/dev/null"), output: .file(tool.path("out")),
      errors: .file(tool.path("errors")))
    return (termination, String(decoding: try Files.read(tool.path("errors")), as: UTF8.self))
  }

  @Test func aPipelineHandsOverTheStore() throws {
    let store = try tool.makeStore()
    #expect(try tool.run("put", store, "a", "value").status == 0)
    // The reader closes the store before its output ends, so the writer finds it free.
    let outcome = try shell("\"$1\" get \"$2\" a | \"$1\" put \"$2\" b -", store)
    #expect(outcome.termination == .exit(0))
    #expect(outcome.errors == "")
    #expect(try tool.run("get", store, "b").text == "value")
  }

  /// With a standard stream closed, the store would get its descriptor, and the report would land in the store.
  @Test func closedStreamsDoNotReachTheStore() throws {
    let store = try tool.makeStore()
    let closedOutput = try shell("printf 'a\\t1\\n' | \"$1\" load \"$2\" >&-", store)
    #expect(closedOutput.termination == .exit(74))
    #expect(closedOutput.errors == "kvcli: standard output: Bad file descriptor\n")
    #expect(try shell("\"$1\" put \"$2\" b - <&-", store).termination == .exit(74))
    #expect(try shell("\"$1\" get \"$2\" absent 2>&-", store).termination == .exit(1))
    #expect(try shell("\"$1\" put \"$2\" c 3 <&- >&- 2>&-", store).termination == .exit(0))
    #expect(try tool.run("verify", store).status == 0)
    #expect(try readEntries(of: store) == [[97]: [49], [99]: [51]])
  }
}
