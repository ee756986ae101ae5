/// A line on standard error that says how far a command is; silent unless that is a terminal.
struct Progress {
  /// Whether anybody sees it.
  private let isShown: Bool
  /// When the line was last written.
  private var last: UInt64 = 0
  /// Whether a line stands on the terminal.
  private var isWritten = false
  /// The least time between two lines.
  private static let interval: UInt64 = 100_000_000

  /// A progress line.
  init() {
    isShown = Platform.isTerminal(2)
  }

  /// Shows `text`, unless the line is younger than a tenth of a second.
  mutating func update(_ text: @autoclosure () -> String) {
    guard isShown else { return }
    let now = Platform.nanoseconds()
    guard now - last >= Self.interval else { return }
    last = now
    isWritten = true
    Console.write(Array("\r\(text())\u{1B}[K".utf8))
  }

  /// Takes the line away, so that what follows starts on an empty one.
  mutating func finish() {
    guard isWritten else { return }
    isWritten = false
    Console.write(Array("\r\u{1B}[K".utf8))
  }
}
