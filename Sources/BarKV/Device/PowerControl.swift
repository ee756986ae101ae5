import SystemPackage

/// Keeps a function from being put to sleep while a store is in its memory: the kernel's `power/control`.
///
/// A function that sleeps answers nothing, and what its memory held may be gone when it wakes.
struct PowerControl: Sendable {
  private let path: String
  /// What the file said before, where that was changed.
  private let before: String?

  /// Writes `on` where it is not there already. A function without the file is never put to sleep.
  ///
  /// - Throws: ``StoreError/system(call:errno:)``.
  init(holding directory: String) throws(StoreError) {
    path = "\(directory)/power/control"
    guard let found = SmallFile.text(path), found != "on" else {
      before = nil
      return
    }
    do throws(Errno) { try SmallFile.write("on", to: path) } catch {
      throw .system(call: "write \(path)", errno: error.rawValue)
    }
    before = found
  }

  /// Whether this holder changed what was there.
  var isHolding: Bool { before != nil }

  /// Writes back what was there. An error has nobody to go to: the function stays awake.
  func restore() {
    guard let before else { return }
    try? SmallFile.write(before, to: path)
  }
}
