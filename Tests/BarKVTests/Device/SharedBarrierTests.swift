import Synchronization
import Testing

@testable import BarKV

/// Barriers of a microsecond that writers share.
@Suite struct SharedBarrierTests {
  /// What came out of the calls of some threads.
  private final class Outcome: Sendable {
    let barriers = Atomic<Int>(0)
    let returned = Atomic<Int>(0)
    let failed = Atomic<Int>(0)
    let isHeld = Atomic<Bool>(true)
  }

  /// Two run at the same time; whoever comes meanwhile waits, and all of them for the same one.
  @Test(arguments: [false, true]) func oneForAllWhoWait(isSlow: Bool) throws {
    let (barrier, outcome) = (SharedBarrier(), Outcome())
    let leaders = (1...2).map { number in
      let leader = Thread {
        try? barrier.join {
          outcome.barriers.wrappingAdd(1, ordering: .relaxed)
          while outcome.isHeld.load(ordering: .acquiring) { sleepFor(microseconds: 100) }
        }
      }
      while outcome.barriers.load(ordering: .relaxed) < number { sleepFor(microseconds: 100) }
      return leader
    }
    let others = (0..<7).map { _ in
      Thread {
        try? barrier.join { outcome.barriers.wrappingAdd(1, ordering: .relaxed) }
        outcome.returned.wrappingAdd(1, ordering: .relaxed)
      }
    }
    while barrier.arrivals < 9 { sleepFor(microseconds: 100) }
    // Long enough for them to fall asleep.
    if isSlow { sleepFor(microseconds: 50_000) }
    #expect(outcome.returned.load(ordering: .relaxed) == 0, "the barriers in flight began before they came")
    outcome.isHeld.store(false, ordering: .releasing)
    for thread in others + leaders { thread?.join() }
    // Two leaders may be made at the same moment, each for all.
    #expect((3...4).contains(outcome.barriers.load(ordering: .relaxed)))
    #expect(outcome.returned.load(ordering: .relaxed) == 7)
  }

  /// A failure is told to all whom the barrier should have covered, and to whoever comes later.
  @Test func aFailureIsEverybodys() throws {
    let (barrier, outcome) = (SharedBarrier(), Outcome())
    let threads = (0..<8).map { number in
      Thread {
        do throws(StoreError) {
          try barrier.join { () throws(StoreError) in
            while barrier.arrivals < 8 { sleepFor(microseconds: 100) }
            throw .outcomeUnknown("gone")
          }
        } catch {
          if error == .outcomeUnknown("gone") { outcome.failed.wrappingAdd(1, ordering: .relaxed) }
        }
      }
    }
    for thread in threads { thread?.join() }
    #expect(outcome.failed.load(ordering: .relaxed) == 8)
    #expect(
      storeError { try barrier.join { Issue.record("a barrier after one that failed") } } == .outcomeUnknown("gone"))
  }

  /// What a thread has stored before it joins is covered when it returns: a device that keeps only what was there when its
  /// read began.
  @Test func nothingIsLeftOut() throws {
    let barrier = SharedBarrier()
    let posted = (0..<6).map { _ in Counter() }
    let durable = (0..<6).map { _ in Counter() }
    let failures = Counter()
    let threads = (0..<6).map { number in
      Thread {
        for round in 1...2000 {
          posted[number].value.store(round, ordering: .relaxed)
          try? barrier.join {
            let seen = posted.map { $0.value.load(ordering: .relaxed) }
            if round % 64 == number { sleepFor(microseconds: 1) }
            for (place, value) in zip(durable, seen) { place.value.max(value, ordering: .relaxed) }
          }
          if durable[number].value.load(ordering: .relaxed) < round {
            failures.value.wrappingAdd(1, ordering: .relaxed)
          }
        }
      }
    }
    for thread in threads { thread?.join() }
    #expect(failures.value.load(ordering: .relaxed) == 0)
  }

  private final class Counter: Sendable {
    let value = Atomic<Int>(0)
  }
}
