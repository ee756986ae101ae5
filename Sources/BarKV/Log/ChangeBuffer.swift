/// The changes of the index that one lane's writers made since the last cut: memory that only grows, so that a write
/// hardly ever allocates.
@safe
struct ChangeBuffer: ~Copyable {
  private var entries: UnsafeMutablePointer<RunEntry>?
  private var capacity = 0
  private(set) var count = 0

  init() {
    unsafe entries = nil
  }

  deinit {
    unsafe entries?.deallocate()
  }

  /// Adds one.
  @inline(__always)
  mutating func append(_ entry: RunEntry) {
    if count == capacity { grow() }
    // `grow` has made the memory, and room in it.
    unsafe (entries.unsafelyUnwrapped + count).initialize(to: entry)
    count &+= 1
  }

  @inline(never)
  private mutating func grow() {
    let larger = max(64, capacity * 2)
    let memory = UnsafeMutablePointer<RunEntry>.allocate(capacity: larger)
    if let entries = unsafe entries {
      unsafe memory.moveInitialize(from: entries, count: count)
      unsafe entries.deallocate()
    }
    unsafe entries = unsafe memory
    capacity = larger
  }

  /// Hands over what there is.
  mutating func take(into changes: inout [RunEntry]) {
    unsafe changes.append(contentsOf: UnsafeBufferPointer(start: entries, count: count))
    count = 0
  }
}
