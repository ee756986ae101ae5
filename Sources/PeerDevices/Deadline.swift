/// A limit on how long something is polled for.
struct Deadline {
  /// The limit.
  let milliseconds: Int
  private let end: ContinuousClock.Instant
  private var polls = 0

  init(milliseconds: Int) {
    self.milliseconds = milliseconds
    end = .now + .milliseconds(milliseconds)
  }

  /// Whether there is time left, some of which is let pass: none at first, as most answers come soon.
  mutating func goesOn() -> Bool {
    polls += 1
    if polls < 200 { return true }
    guard ContinuousClock.now < end else { return false }
    sleepFor(microseconds: 20)
    return true
  }
}
