import BarKV

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes from several threads without end, and says on standard output what it is about to write and what was
/// acknowledged, so that a test can kill it at any moment and know what must be there.
struct KillWriter: Sendable {
  private let store: Store
  private let workload: KillWorkload

  init(_ address: StoreAddress, seed: UInt64) throws {
    store = try Store.open(at: address)
    workload = KillWorkload(seed: seed)
  }

  /// Does not return.
  func run() throws -> Never {
    for thread in 0..<KillWorkload.threads {
      var handle = pthread_t()
      let job = Job(writer: self, thread: thread)
      let code = unsafe pthread_create(
        &handle, nil,
        { context in
          guard let context = unsafe context else { return nil }
          let job = unsafe Unmanaged<Job>.fromOpaque(context).takeRetainedValue()
          job.writer.write(from: job.thread)
        }, Unmanaged.passRetained(job).toOpaque())
      guard code == 0 else { throw Main.Failure(description: "no thread: error \(code)") }
    }
    while true { pause() }
  }

  private final class Job: Sendable {
    let writer: KillWriter
    let thread: Int

    init(writer: KillWriter, thread: Int) {
      self.writer = writer
      self.thread = thread
    }
  }

  private func write(from thread: Int) -> Never {
    var number = 0
    while true {
      let step = workload.step(number, thread: thread)
      tell(.begins, thread, number)
      do {
        try perform(step)
        tell(.acknowledged, thread, number)
      } catch StoreError.full {
        tell(.refused, thread, number)
      } catch {
        complain("thread \(thread), step \(number): \(error)")
        exit(1)
      }
      number += 1
    }
  }

  private func perform(_ step: KillWorkload.Step) throws {
    guard step.isBatch else {
      for change in step.changes {
        if let value = change.value {
          try store.put(value, for: change.key)
        } else {
          try store.delete(change.key)
        }
      }
      return
    }
    var batch = Batch()
    for change in step.changes {
      if let value = change.value { batch.put(value, for: change.key) } else { batch.delete(change.key) }
    }
    try store.write(batch)
  }

  private func tell(_ phase: KillMessage.Phase, _ thread: Int, _ number: Int) {
    let bytes = KillMessage(phase: phase, thread: thread, number: number).encoded
    // A port of a virtual machine, unlike a pipe, takes nothing while another thread has it full.
    var count = 0
    repeat { count = writeAll(1, bytes, bytes.count) } while count == 0
    guard count == bytes.count else {
      complain("nobody reads")
      exit(1)
    }
  }

  private func complain(_ what: String) {
    let bytes = Array("\(what)\n".utf8)
    _ = writeAll(2, bytes, bytes.count)
  }
}

/// write(2), whose name a method hides.
private func writeAll(_ descriptor: Int32, _ bytes: [UInt8], _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}
