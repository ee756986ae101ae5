import CRawLoops

/// The C loops with an index, as a subject.
@safe struct CeilingStore: ~Copyable, @unchecked Sendable {
  // Sendable: only `get` is called by several threads, and it changes nothing.
  private let state: UnsafeMutablePointer<crl_ceiling>
  private let valueBytes: Int

  /// Opens an empty one in which every entry can be written `writes` times and deleted.
  init(_ configuration: Configuration, writes: Int) throws {
    let bytes = configuration.records * (writes * configuration.recordBytes + crl_tombstone_bytes())
    let state = UnsafeMutablePointer<crl_ceiling>.allocate(capacity: 1)
    unsafe state.initialize(to: crl_ceiling())
    let code = unsafe crl_ceiling_open(
      state, configuration.directory, bytes, configuration.records, configuration.valueBytes)
    guard code == 0 else {
      unsafe state.deallocate()
      throw BenchError.system(call: "opening the ceiling", errno: code)
    }
    unsafe self.state = state
    valueBytes = configuration.valueBytes
  }

  deinit {
    unsafe crl_ceiling_close(state)
    unsafe state.deallocate()
  }

  /// Puts the entries of a range, whose keys are new, with a fence after every `perFence`.
  func put(_ range: Range<Int>, perFence: Int) {
    unsafe withValueBuffer { value in
      unsafe crl_ceiling_put(state, UInt64(range.lowerBound), range.count, value, perFence)
    }
  }

  /// Overwrites each entry of `order`; how many were present.
  func overwrite(_ order: [UInt32]) -> Int {
    unsafe withValueBuffer { value in
      unsafe order.withUnsafeBufferPointer { unsafe crl_ceiling_overwrite(state, $0.baseAddress, $0.count, value) }
    }
  }

  /// Deletes each entry of `order`; how many were present.
  func delete(_ order: [UInt32]) -> Int {
    unsafe order.withUnsafeBufferPointer { unsafe crl_ceiling_delete(state, $0.baseAddress, $0.count) }
  }

  /// Gets entry `order[i] + offset` for each `i` of a range; the sum of the numbers found, and how many were.
  func get(_ order: [UInt32], _ range: Range<Int>, offset: Int) -> (sum: UInt64, found: Int) {
    unsafe withValueBuffer { value in
      unsafe order.withUnsafeBufferPointer { order in
        var found = 0
        let share = unsafe UnsafeBufferPointer(rebasing: order[range])
        let sum = unsafe crl_ceiling_get(state, share.baseAddress, share.count, UInt64(offset), value, &found)
        return (sum, found)
      }
    }
  }

  /// The same for all of `order`, by groups whose cache misses overlap; the sum of the numbers found.
  func getMany(_ order: [UInt32]) -> UInt64 {
    unsafe withValueBuffer { value in
      unsafe order.withUnsafeBufferPointer { order in
        var found = 0
        return unsafe crl_ceiling_get_many(state, order.baseAddress, order.count, value, &found)
      }
    }
  }

  private func withValueBuffer<Answer>(_ body: (UnsafeMutablePointer<UInt8>) -> Answer) -> Answer {
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: valueBytes) { buffer in
      unsafe buffer.initialize(repeating: 0x5a)
      guard let base = buffer.baseAddress else { preconditionFailure("a value has bytes") }
      return unsafe body(base)
    }
  }
}
