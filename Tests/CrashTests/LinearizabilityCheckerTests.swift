import Testing

@testable import BarKV

/// The checker accepts what an order explains, and rejects what none does.
@Suite struct LinearizabilityCheckerTests {
  private func put(_ number: Int, _ key: Int, _ value: Int) -> TrackedOperation {
    TrackedOperation(number: number, kind: .single, steps: [.set(key: key, value: value)], label: "put")
  }

  private func read(_ number: Int, _ key: Int) -> TrackedOperation {
    TrackedOperation(number: number, kind: .single, steps: [.read(key: key)], label: "read")
  }

  private func batch(_ number: Int, _ steps: OperationStep...) -> TrackedOperation {
    TrackedOperation(number: number, kind: .batch, steps: steps, label: "batch")
  }

  private func deferred(_ number: Int, _ key: Int, _ value: Int) -> TrackedOperation {
    TrackedOperation(number: number, kind: .deferred, steps: [.set(key: key, value: value)], label: "deferred")
  }

  @Test func anAcknowledgedWriteSurvives() throws {
    var checker = LinearizabilityChecker(values: [-1])
    checker.begin(put(0, 0, 5))
    #expect(checker.survivors() == [[-1], [5]])
    try checker.acknowledge(0, .done)
    #expect(checker.survivors() == [[5]])
  }

  @Test func whatAReaderSawSurvives() throws {
    var checker = LinearizabilityChecker(values: [-1])
    checker.begin(put(0, 0, 5))
    checker.begin(read(1, 0))
    try checker.acknowledge(1, .found(5))
    #expect(checker.survivors() == [[5]], "visible before durable")
    checker.begin(read(2, 0))
    #expect(throws: LinearizabilityChecker.Violation.self) { try checker.acknowledge(2, .found(-1)) }
  }

  @Test func overlappingWritesHaveEitherOrder() throws {
    var checker = LinearizabilityChecker(values: [-1])
    checker.begin(put(0, 0, 1))
    checker.begin(put(1, 0, 2))
    try checker.acknowledge(0, .done)
    try checker.acknowledge(1, .done)
    #expect(checker.survivors() == [[1], [2]])
    checker.begin(read(2, 0))
    try checker.acknowledge(2, .found(1))
    #expect(checker.survivors() == [[1]])
  }

  @Test func laterWritesComeLater() throws {
    var checker = LinearizabilityChecker(values: [-1])
    checker.begin(put(0, 0, 1))
    try checker.acknowledge(0, .done)
    checker.begin(put(1, 0, 2))
    try checker.acknowledge(1, .done)
    #expect(checker.survivors() == [[2]])
  }

  @Test func answersDecide() throws {
    var checker = LinearizabilityChecker(values: [3])
    let swap = TrackedOperation(
      number: 0, kind: .single, steps: [.compareAndSet(key: 0, expected: 3, new: 4)], label: "swap")
    let delete = TrackedOperation(number: 1, kind: .single, steps: [.remove(key: 0)], label: "delete")
    checker.begin(swap)
    checker.begin(delete)
    try checker.acknowledge(0, .found(0))
    #expect(checker.survivors() == [[-1]], "the swap failed, so the delete came first")
    #expect(throws: LinearizabilityChecker.Violation.self) { try checker.acknowledge(1, .found(0)) }
  }

  @Test func aBatchSurvivesWholeOrNotAtAll() throws {
    var checker = LinearizabilityChecker(values: [-1, -1])
    checker.begin(batch(0, .set(key: 0, value: 1), .set(key: 1, value: 2)))
    #expect(checker.survivors() == [[-1, -1], [1, 2]])
    // A reader may see its first key an instant before its last; then all of it has to survive.
    checker.begin(read(1, 0))
    try checker.acknowledge(1, .found(1))
    checker.begin(read(2, 1))
    try checker.acknowledge(2, .found(-1))
    #expect(checker.survivors() == [[1, 2]])
  }

  @Test func nobodyWritesIntoABatch() throws {
    var checker = LinearizabilityChecker(values: [-1, -1])
    checker.begin(batch(0, .set(key: 0, value: 1), .set(key: 1, value: 2)))
    checker.begin(put(1, 0, 9))
    checker.begin(put(2, 1, 9))
    for number in 0...2 { try checker.acknowledge(number, .done) }
    #expect(checker.survivors() == [[1, 2], [9, 2], [1, 9], [9, 9]])
    // Between the two steps of the batch neither can stand: a value of 9 under the first, and then 1 over it, is all.
    checker.begin(read(3, 0))
    try checker.acknowledge(3, .found(1))
    #expect(checker.survivors() == [[1, 2], [1, 9]])
  }

  @Test func deferredWritesSurviveAsAPrefix() throws {
    var checker = LinearizabilityChecker(values: [-1, -1])
    checker.begin(deferred(0, 0, 1))
    try checker.acknowledge(0, .done)
    checker.begin(deferred(1, 1, 2))
    try checker.acknowledge(1, .done)
    #expect(checker.survivors() == [[-1, -1], [1, -1], [1, 2]])
    checker.begin(TrackedOperation(number: 2, kind: .persist, steps: [], label: "persist"))
    try checker.acknowledge(2, .done)
    #expect(checker.survivors() == [[1, 2]])
    #expect(!checker.hasDeferred)
  }

  @Test func aWritePersistsWhatWasDeferred() throws {
    var checker = LinearizabilityChecker(values: [-1, -1])
    checker.begin(deferred(0, 0, 1))
    try checker.acknowledge(0, .done)
    checker.begin(put(1, 1, 2))
    #expect(checker.survivors() == [[-1, -1], [1, -1], [1, 2]])
    try checker.acknowledge(1, .done)
    #expect(checker.survivors() == [[1, 2]])
  }

  @Test func whatWasRefusedIsNotThere() throws {
    var checker = LinearizabilityChecker(values: [-1])
    checker.begin(put(0, 0, 5))
    try checker.acknowledge(0, .refused)
    #expect(checker.survivors() == [[-1]])
  }

  @Test func whatADeadProcessDeferredIsLost() throws {
    var checker = LinearizabilityChecker(values: [-1])
    checker.begin(deferred(0, 0, 5))
    try checker.acknowledge(0, .done)
    checker.forgetDeferred()
    #expect(checker.survivors() == [[-1], [5]], "it may have been persisted before")
    try checker.observe([-1])
    #expect(checker.survivors() == [[-1]])
    #expect(throws: LinearizabilityChecker.Violation.self) { try checker.observe([5]) }
  }
}
