@testable import BarKV

#if canImport(CrashRig)
  @testable import CrashRig
#endif

/// A recorded medium, and what a power cut would leave of it: for crashes made by hand.
struct Recording {
  let recorder = EventRecorder()
  let live: ImageBuffer
  private(set) var image: CrashImage

  /// What is recorded is what the test does, in its order.
  static var options: StoreOptions {
    var options = StoreOptions()
    options.maintainsInBackground = false
    return options
  }

  /// A blank medium.
  init(model: PersistenceModel = .writeBack, size: Int) throws {
    live = ImageBuffer(count: size)
    image = CrashImage(model: model, base: ImageBuffer(count: size))
  }

  /// A medium as a cut, or the end of a process, has left it.
  init(_ image: CrashImage) {
    live = ImageBuffer(count: image.base.count)
    _ = image.write(Array(repeating: true, count: image.units.count), to: live) { _, _ in }
    self.image = image
  }

  func medium() throws(StoreError) -> Medium {
    try live.medium(for: image.model, observer: recorder)
  }

  func open() throws(StoreError) -> Store {
    try Recovery.open(medium(), path: "memory", access: .readWrite, options: Self.options)
  }

  /// Enters what was recorded since the last time, or up to its first fence; the rest is forgotten then.
  mutating func apply(upToFence: Bool = false) {
    for case .medium(let event, let thread) in recorder.take() {
      if upToFence, case .fence = event { return }
      image.apply(event, thread: thread)
    }
  }

  /// The medium after a power cut that the units survive whose numbers are named.
  func cut(_ survives: (Int) -> Bool) -> Recording {
    let base = ImageBuffer(count: live.count)
    _ = image.write(image.units.indices.map(survives), to: base) { _, _ in }
    return Recording(CrashImage(model: image.model, base: base))
  }

  /// The medium as the next process finds it when only the process ends.
  func kill() -> Recording {
    Recording(image.afterKill(Array(repeating: true, count: image.units.count)))
  }

  /// Calls `judge` with what each cut may leave, or forty samples of it, in all that was recorded since the last time.
  mutating func cutEverywhere(_ judge: (Recording) throws -> Void) throws {
    for case .medium(let event, let thread) in recorder.take() {
      if event.isCrashPoint {
        var enumerator = StateEnumerator(image, seed: 1)
        for state in [enumerator.none, enumerator.all] + enumerator.states(limit: 40) { try judge(cut { state[$0] }) }
      }
      image.apply(event, thread: thread)
    }
    try judge(cut { _ in false })
  }
}
