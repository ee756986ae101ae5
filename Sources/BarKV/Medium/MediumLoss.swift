import CBarKV
import Synchronization

/// What of a region was lost while it was open: found by the SIGBUS guard, or by a look at a word that must be there.
///
/// The guard puts zeros where memory is gone, so that no access ends the process. So whoever has read from the region, and
/// whoever has written to it, asks here before it answers: one load, and a branch that is never taken while all is well.
@safe
struct MediumLoss: @unchecked Sendable {
  // Safe to share: the words are atomic; the memory lives as long as the medium.

  private let loss: UnsafeMutablePointer<barkv_loss>

  init() {
    unsafe loss = .allocate(capacity: 1)
    unsafe loss.initialize(to: barkv_loss())
  }

  func deallocate() {
    unsafe loss.deallocate()
  }

  /// Whether nothing was lost, and nothing has to be looked at to know it. For what was read before this call.
  @inline(__always)
  var isNone: Bool { unsafe barkv_loss_state(loss) == 0 }

  /// The word of which ``isNone`` is the question, for readers outside this module.
  @unsafe
  var state: UnsafeMutablePointer<Atomic<UInt32>> {
    // The structure's first field.
    unsafe UnsafeMutableRawPointer(loss).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Whether the whole region is gone.
  var isTotal: Bool { unsafe barkv_loss_state(loss) & UInt32(BARKV_LOSS_DEVICE) != 0 }

  /// Notes that the region is gone.
  func noteTotal() {
    unsafe barkv_loss_add(loss, UInt32(BARKV_LOSS_DEVICE))
  }

  /// Makes ``isNone`` false for good: the medium can vanish without a signal.
  func watch() {
    unsafe barkv_loss_add(loss, UInt32(BARKV_LOSS_WATCH))
  }

  /// The parts of the region whose memory is poisoned.
  var poisoned: [Range<Int>] {
    guard unsafe barkv_loss_state(loss) & UInt32(BARKV_LOSS_POISON) != 0 else { return [] }
    return (0..<UInt32(BARKV_POISONED_RANGES)).compactMap { index in
      var length: UInt64 = 0
      let offset = unsafe Int(barkv_loss_range(loss, index, &length))
      return length == 0 ? nil : offset..<offset + Int(length)
    }
  }

  // MARK: The guard

  /// Has SIGBUS in the mapping noted here, until ``endGuard(_:)``.
  @unsafe
  func beginGuard(_ base: UnsafeMutableRawPointer, length: Int, isWritable: Bool) throws(StoreError) {
    guard unsafe barkv_bus_guard(base, length, isWritable, loss) else {
      throw .system(call: "sigaction(SIGBUS)", errno: outOfMemoryCode)
    }
  }

  /// - Parameter base: what ``beginGuard(_:length:isWritable:)`` was called with, still mapped.
  @unsafe
  static func endGuard(_ base: UnsafeMutableRawPointer) {
    unsafe barkv_bus_guard_end(base)
  }
}

/// Whether a medium is still there.
extension Medium {
  /// Whether nothing of the region was lost: for what was read, and what was written, before this call. `false` says only
  /// that ``checkReads(of:)`` or ``checkWrites(to:)`` has to be asked.
  @inline(__always)
  var isWhole: Bool { loss.isNone }

  /// From here on ``checkPresence()`` compares the word at `offset`, which is never written again, with what it is now.
  func expectPresence(at offset: Int) {
    guard canVanish || barrierRead != nil else { return }
    presence.word.store(word(at: offset), ordering: .relaxed)
    presence.offset.store(offset, ordering: .releasing)
  }

  /// Reads the known word from the medium, where the medium is one that can vanish without a signal: a device that is gone
  /// answers with ones. Asks nothing of other media but what the guard has found.
  ///
  /// - Throws: ``StoreError/deviceLost(_:)``.
  func checkPresence() throws(StoreError) {
    let offset = presence.offset.load(ordering: .acquiring)
    if vanishes, !loss.isTotal, offset >= 0, word(at: offset) != presence.word.load(ordering: .relaxed) {
      loss.noteTotal()
    }
    if loss.isTotal { throw .deviceLost(lossText) }
  }

  /// The same before a word is known: a device that is gone answers with ones from the first byte on. So does memory that
  /// was erased, in a device whose configuration space answers.
  func checkAnswer() throws(StoreError) {
    if vanishes, word(at: 0) == .max, !(configuration?.answersInMemorySpace ?? false) { loss.noteTotal() }
    try checkPresence()
  }

  /// Whether it can vanish without a signal, be it that reads look, or that what fills the mirror does.
  private var vanishes: Bool { canVanish || mirror != nil }

  /// By which it is asked whether a device that answered with ones is there all the same.
  var configuration: ConfigurationSpace? {
    guard case .bar(let bar) = backing else { return nil }
    return bar.configuration
  }

  /// Compares the file's size with the mapping's: bytes of a file's last page that were cut off read as zeros, and raise no
  /// signal. A system call.
  ///
  /// - Throws: ``StoreError/deviceLost(_:)``.
  func checkSize() throws(StoreError) {
    if case .file(let file) = backing, file.hasSize, try MappedFile.status(of: file.descriptor).size < length {
      loss.noteTotal()
    }
    if loss.isTotal { throw .deviceLost(lossText) }
  }

  /// What reading `range` has to answer for, after it was read.
  ///
  /// - Throws: ``StoreError/deviceLost(_:)``; ``StoreError/damagedRecord(offset:)`` where some of the range is poisoned.
  @inline(never)
  func checkReads(of range: Range<Int>) throws(StoreError) {
    try checkPresence()
    if let poisoned = poisoned(in: range) {
      throw .damagedRecord(offset: UInt64(max(range.lowerBound, poisoned.lowerBound)))
    }
  }

  /// What a barrier of `range` has to answer for, after it was made: what is stored to a lost region goes nowhere, and when
  /// it was lost nobody knows.
  ///
  /// - Throws: ``StoreError/outcomeUnknown(_:)``.
  @inline(never)
  func checkWrites(to range: Range<Int>) throws(StoreError) {
    // A barrier that ends with a read has looked already: a device is read once a barrier, not twice.
    if barrierRead != nil {
      if loss.isTotal { throw .outcomeUnknown(lossText) }
    } else {
      do throws(StoreError) { try checkPresence() } catch { throw .outcomeUnknown(lossText) }
    }
    if let poisoned = poisoned(in: range) {
      throw .outcomeUnknown("the memory at offset \(poisoned.lowerBound) is poisoned")
    }
  }

  /// The poisoned part of the region that `range` reaches into.
  func poisoned(in range: Range<Int>) -> Range<Int>? {
    loss.poisoned.first { $0.overlaps(range) }
  }

  /// The offsets of bytes that are in the region.
  @unsafe
  func offsets(_ start: UnsafeRawPointer?, _ count: Int) -> Range<Int> {
    guard let start = unsafe start, let base = unsafe bytes.baseAddress else { return 0..<0 }
    let offset = unsafe start - base
    return offset..<offset + count
  }

  private func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= length - 8, "a word outside the region")
    if barrierRead?.evictsLine == true { unsafe barkv_evict_line(target + offset) }
    return unsafe barkv_load_from_device(target + offset)
  }

  var lossText: String {
    if let reason = presence.failure.withLock({ $0 }) { return reason }
    let isDevice = canVanish || barrierRead != nil
    return isDevice ? "the device no longer answers" : "the file was cut off, or its device is gone"
  }
}

/// The word by which a device is known to be there; set once, before the medium is shared.
final class Presence: Sendable {
  /// Where it stands; -1 while none is known.
  let offset = Atomic<Int>(-1)
  let word = Atomic<UInt64>(0)
  /// What the device said of its failure, where it said something.
  let failure = Locked<String?>(nil)
}
