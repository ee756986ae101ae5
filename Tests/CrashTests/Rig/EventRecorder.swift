import CBarKV
import Synchronization

@testable import BarKV

/// What a run consists of, in the order of tickets.
enum RunEvent: Sendable {
  /// Something happened on the medium, made by the thread with that number.
  case medium(MediumEvent, thread: Int)
  /// A call is about to be made.
  case begin(TrackedOperation)
  /// The call has returned.
  case acknowledge(operation: Int, OperationResult)
  /// A reservation is made or ended, or about to be.
  case reservation(ReservationEvent)
}

/// Keeps every event of a medium and of its users.
///
/// The ticket is the place in the list: it is taken under a lock, before a store takes effect and after a call has
/// returned. Two threads never write a line at the same time, so that for each line the order is that of the memory.
final class EventRecorder: MediumObserver {
  private struct State {
    var events: [RunEvent] = []
    var loads: [Range<Int>] = []
  }

  private let state = Locked(State())
  /// Called when the store is about to look at what a peer wrote.
  let look = Hook()
  /// Makes threads meet: at each event it may hold its thread up for a moment.
  private let jitter: Jitter?

  init(jitter: Jitter? = nil) {
    self.jitter = jitter
  }

  func observe(_ event: MediumEvent) throws(StoreError) {
    append(.medium(event, thread: Int(barkv_thread_slot())))
    jitter?.pause(at: event)
    if case .peerRead = event { look() }
  }

  func observe(load range: Range<Int>) {
    state.withLock { $0.loads.append(range) }
  }

  func append(_ event: RunEvent) {
    state.withLock { $0.events.append(event) }
  }

  /// Takes what was recorded since the last call.
  func take() -> [RunEvent] {
    state.withLock { state in
      defer { state.events.removeAll(keepingCapacity: true) }
      return state.events
    }
  }

  /// Takes the ranges that recovery loaded since the last call.
  func takeLoads() -> [Range<Int>] {
    state.withLock { state in
      defer { state.loads.removeAll(keepingCapacity: true) }
      return state.loads
    }
  }

  /// Forgets everything.
  func reset() {
    state.withLock { state in
      state.events.removeAll(keepingCapacity: true)
      state.loads.removeAll(keepingCapacity: true)
    }
  }
}

/// Short pauses at random: with them, threads whose operations take a microsecond are in each other's way all the time.
final class Jitter: Sendable {
  private let generator: Locked<SeededGenerator>

  init(seed: UInt64) {
    generator = Locked(SeededGenerator(seed: seed))
  }

  func pause(at event: MediumEvent) {
    let number = generator.withLock { $0.next() }
    // A barrier takes its time, so that others wait for it and for the next.
    // So does the read that ends one: who comes while it is on its way is not covered by it.
    switch event {
    case .barrier, .readBack, .statusRead: return sleepFor(microseconds: UInt32(number & 127))
    default: break
    }
    // Between an extent's header and its bytes others may be done with theirs.
    if event.isExtent, number & 3 == 0 { return sleepFor(microseconds: UInt32(number >> 8 & 511)) }
    switch number % 8 {
    case 0: sleepFor(microseconds: UInt32(number >> 8 & 31))
    case 1, 2: sleepFor(microseconds: 0)
    default: break
    }
  }
}

extension MediumEvent {
  fileprivate var isExtent: Bool {
    switch self {
    case .store(.extent, _, _), .streamingStore(.extent, _, _): true
    default: false
    }
  }
}
