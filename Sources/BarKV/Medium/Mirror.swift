import CBarKV
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A copy in DRAM of a region that is slow to read: its pages are filled when they are first touched, and dropped when there
/// are more than the budget allows. Reads go to it as to the region itself.
///
/// A page is absent, being filled, or present. Whoever writes to the region stores to the device first, fences, and then
/// copies the same bytes into each page that is not absent. Whoever fills a page says so first, fences, and then reads the
/// device. So of a write and a fill that meet either the fill reads what was written, or the write finds the page no longer
/// absent, and its copy waits, as every touch does, until the page is in place. A page that is dropped is filled again from
/// the device, which has all that was stored to it.
///
/// One thread fills and drops. It reads nothing but the device, and takes no lock that a reader may hold.
@safe
final class Mirror: @unchecked Sendable {
  // Safe to share: the pointers never change; pages' states and the counters are atomic; `queue` is the filling thread's.

  /// A page's state.
  private enum State {
    static let absent: UInt8 = 0
    static let filling: UInt8 = 1
    static let present: UInt8 = 2
  }

  /// What one fill reads at most, where the page before is there already: whoever reads on.
  private static var readAhead: Int { 16 }
  static var pageBytes: Int { 4096 }

  private let handle: barkv_mirror
  private let length: Int
  private let pageCount: Int
  private let states: UnsafeMutablePointer<Atomic<UInt8>>
  /// Pages in the order in which they were filled: the oldest is dropped first.
  private let queue: UnsafeMutablePointer<Int>
  private let buffer: UnsafeMutableRawPointer
  private let source: UnsafeRawPointer
  /// The pages that may be there at the same time.
  private let budget: Int
  private let filled = Atomic<UInt64>(0)
  private let dropped = Atomic<UInt64>(0)
  /// How long a line takes to read more than it does here, where a slow device is simulated.
  private let simulatedNanosecondsPerLine: UInt64
  private let thread = Locked<Thread?>(nil)
  private let isClosing = Atomic<Bool>(false)
  /// What is to be dropped, and how often that was asked and done.
  private struct Drops {
    var ranges: [Range<Int>] = []
    var count: UInt64 = 0
  }
  private let dropsAsked = Locked(Drops())
  private let dropsDone = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - source: the device's mapping, `length` bytes.
  ///   - budget: the most bytes of DRAM, at least sixteen pages.
  ///   - simulatedNanosecondsPerLine: how much longer a line takes to read than it does here.
  /// - Throws: the system's error; it may grant a mirror to root alone.
  @unsafe
  init(of source: UnsafeRawPointer, length: Int, budget: Int, simulatedNanosecondsPerLine: UInt64 = 0) throws(Failure) {
    pageCount = (length + Self.pageBytes - 1) / Self.pageBytes
    self.length = length
    var handle = unsafe barkv_mirror()
    let code = unsafe barkv_mirror_open(pageCount * Self.pageBytes, &handle)
    guard code == 0 else { throw Failure(code: code) }
    unsafe self.handle = unsafe handle
    unsafe self.source = source
    self.budget = max(2 * Self.readAhead, budget / Self.pageBytes)
    self.simulatedNanosecondsPerLine = simulatedNanosecondsPerLine
    // Zeroed bytes are atomic bytes of 0, and 0 is absent.
    unsafe states = allocateLines(bytes: pageCount).bindMemory(to: Atomic<UInt8>.self, capacity: pageCount)
    unsafe queue = .allocate(capacity: self.budget + Self.readAhead)
    unsafe buffer = allocateLines(bytes: Self.readAhead * Self.pageBytes)
  }

  /// Why there is no mirror.
  struct Failure: Error {
    let code: Int32
  }

  /// The mirror that `options` ask for; `nil` where they ask for none, or the system grants none.
  @unsafe
  static func make(
    of source: UnsafeRawPointer, length: Int, simulating device: SimulatedDevice? = nil, _ options: StoreOptions
  ) -> Mirror? {
    guard options.mirrorBytes > 0 else { return nil }
    if let device, device.readNanosecondsPerLine == 0 { return nil }
    return unsafe try? Mirror(
      of: source, length: length, budget: options.mirrorBytes,
      simulatedNanosecondsPerLine: device?.readNanosecondsPerLine ?? 0)
  }

  /// Where the copy is read.
  var memory: UnsafeMutableRawPointer { unsafe handle.memory }

  /// Begins to fill what is touched.
  ///
  /// - Parameter check: called after each read of the device, before what it gave can be seen.
  func start(check: @escaping @Sendable () -> Void) throws(StoreError) {
    let started = Thread { [self] in fillForever(check) }
    guard let started else { throw .system(call: "pthread_create", errno: outOfMemoryCode) }
    thread.withLock { $0 = started }
  }

  /// Ends it and frees all. Nobody touches the copy any more.
  func close() {
    isClosing.store(true, ordering: .sequentiallyConsistent)
    call()
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
    var handle = unsafe handle
    unsafe barkv_mirror_close(&handle, pageCount * Self.pageBytes)
    unsafe states.deallocate()
    unsafe queue.deallocate()
    unsafe buffer.deallocate()
  }

  /// Copies what was stored to the device into the pages that are there or about to be.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    // What was stored is on its way to the device before the states are looked at: a fill that begins later reads it.
    barkv_full_fence()
    var done = 0
    while done < bytes.count {
      let page = (offset + done) / Self.pageBytes
      let end = min(bytes.count, (page + 1) * Self.pageBytes - offset)
      if unsafe states[page].load(ordering: .sequentiallyConsistent) != State.absent {
        // A page that is being filled, or was dropped this moment, makes this wait until it is in place.
        unsafe (memory + offset + done).copyMemory(from: bytes.baseAddress! + done, byteCount: end - done)
      }
      done = end
    }
  }

  /// Drops all that is there, so that what is read from here on comes from the device.
  func dropAll() {
    let mine = dropsAsked.withLock { asked in
      asked.ranges = [0..<pageCount]
      asked.count += 1
      return asked.count
    }
    call()
    while dropsDone.load(ordering: .sequentiallyConsistent) < mine { sleepFor(microseconds: 50) }
  }

  /// Drops what is there of a range, so that it comes from the device when it is touched next.
  func drop(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    let pages = range.lowerBound / Self.pageBytes..<(range.upperBound + Self.pageBytes - 1) / Self.pageBytes
    // What is absent is read from the device when it is touched. Mostly all is: nobody reads what is being written.
    barkv_full_fence()
    guard pages.contains(where: { unsafe states[$0].load(ordering: .sequentiallyConsistent) != State.absent }) else {
      return
    }
    let mine = dropsAsked.withLock { asked in
      asked.ranges.append(pages)
      asked.count += 1
      return asked.count
    }
    call()
    while dropsDone.load(ordering: .sequentiallyConsistent) < mine { sleepFor(microseconds: 50) }
  }

  private func call() {
    unsafe withUnsafePointer(to: handle) { unsafe barkv_mirror_call($0) }
  }

  var statistics: MirrorStatistics {
    let (filled, dropped) = (filled.load(ordering: .relaxed), dropped.load(ordering: .relaxed))
    return MirrorStatistics(
      budgetBytes: UInt64(min(budget, pageCount) * Self.pageBytes),
      residentBytes: (filled &- min(filled, dropped)) * UInt64(Self.pageBytes),
      filledBytes: filled * UInt64(Self.pageBytes), droppedBytes: dropped * UInt64(Self.pageBytes))
  }

  // MARK: The filling thread

  private func fillForever(_ check: @Sendable () -> Void) {
    var (oldest, count) = (0, 0)
    let capacity = budget + Self.readAhead
    let start = unsafe UInt(bitPattern: memory)
    var address: UInt = 0
    while true {
      guard unsafe withUnsafePointer(to: handle, { unsafe barkv_mirror_next($0, &address) }) else {
        if isClosing.load(ordering: .sequentiallyConsistent) { return }
        let asked = dropsAsked.withLock { asked in
          defer { asked.ranges = [] }
          return asked
        }
        var kept = 0
        for index in 0..<count {
          let page = unsafe queue[(oldest + index) % capacity]
          if asked.ranges.contains(where: { $0.contains(page) }) {
            drop(page)
          } else {
            unsafe queue[(oldest + kept) % capacity] = page
            kept += 1
          }
        }
        count = kept
        dropsDone.store(asked.count, ordering: .sequentiallyConsistent)
        continue
      }
      let page = Int(address - start) / Self.pageBytes
      // Two readers may have touched it at once.
      guard unsafe states[page].load(ordering: .sequentiallyConsistent) == State.absent else {
        unsafe withUnsafePointer(to: handle) {
          unsafe barkv_mirror_wake($0, page * Self.pageBytes, Self.pageBytes)
        }
        continue
      }
      let pages = run(from: page)
      fill(pages, check)
      for page in pages {
        unsafe queue[(oldest + count) % capacity] = page
        count += 1
      }
      while count > budget {
        drop(unsafe queue[oldest])
        oldest = (oldest + 1) % capacity
        count -= 1
      }
    }
  }

  /// The pages to fill when `page` is touched.
  private func run(from page: Int) -> Range<Int> {
    guard page > 0, unsafe states[page - 1].load(ordering: .relaxed) == State.present else { return page..<page + 1 }
    var end = page + 1
    while end < min(pageCount, page + Self.readAhead), unsafe states[end].load(ordering: .relaxed) == State.absent {
      end += 1
    }
    return page..<end
  }

  private func fill(_ pages: Range<Int>, _ check: @Sendable () -> Void) {
    for page in pages { unsafe states[page].store(State.filling, ordering: .sequentiallyConsistent) }
    // Before the device is read: a write that finds the page absent has its bytes there by now.
    barkv_full_fence()
    let offset = pages.lowerBound * Self.pageBytes
    let count = min(pages.count * Self.pageBytes, length - offset)
    unsafe barkv_stream_load(buffer, source + offset, count)
    if simulatedNanosecondsPerLine > 0 { spin(nanoseconds: simulatedNanosecondsPerLine * UInt64(count / lineSize)) }
    // Before anybody sees what was read: a device that is gone answers with ones.
    check()
    // Counted before it is seen, too: who has touched a page finds it in the figures.
    filled.wrappingAdd(UInt64(pages.count), ordering: .sequentiallyConsistent)
    var code = outOfMemoryCode
    while code == outOfMemoryCode {
      code = unsafe withUnsafePointer(to: handle) {
        unsafe barkv_mirror_install($0, offset, buffer, pages.count * Self.pageBytes)
      }
      // The process is at its limit for a moment: whoever waits for the page goes on waiting.
      if code == outOfMemoryCode { sleepFor(microseconds: 1000) }
    }
    // Nothing but this thread puts pages there, so there is nothing else for the kernel to say.
    precondition(code == 0, "a page that cannot be filled: whoever touched it would wait forever")
    for page in pages { unsafe states[page].store(State.present, ordering: .sequentiallyConsistent) }
  }

  private func drop(_ page: Int) {
    // Gone first, absent then: a write that finds the page absent copies nothing, so a page that could still be read would
    // give its writer the bytes of before. One that finds it present touches it, and has it filled again.
    unsafe _ = withUnsafePointer(to: handle) {
      unsafe barkv_mirror_drop($0, page * Self.pageBytes, Self.pageBytes)
    }
    unsafe states[page].store(State.absent, ordering: .sequentiallyConsistent)
    dropped.wrappingAdd(1, ordering: .relaxed)
  }
}
