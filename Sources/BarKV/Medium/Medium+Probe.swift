import CBarKV

/// Measuring what a medium costs.
extension Medium {
  /// How long each of the measurements goes on, in nanoseconds, and how much it does at most.
  private static var measuringTime: UInt64 { 300_000_000 }
  private static var barrierLimit: Int { 2000 }
  private static var readLimit: Int { 64 << 20 }
  private static var readStep: Int { 16 << 10 }

  /// The parts of the region and how each is mapped.
  var parts: [MappedPart] {
    if case .bar(let bar) = backing { return bar.parts }
    return [MappedPart(range: 0..<length, memoryType: .writeBack, isVerified: false)]
  }

  /// - Parameter metadata: whole lines that nobody writes meanwhile; they are written again with what they hold.
  func probe(rewriting metadata: Range<Int>) throws(StoreError) -> ProbeReport {
    var bytes = [UInt8](repeating: 0, count: metadata.count)
    for index in stride(from: 0, to: bytes.count, by: 8) {
      let word = unsafe barkv_load_from_device(target + metadata.lowerBound + index).littleEndian
      for byte in 0..<8 { bytes[index + byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * byte)) }
    }
    // What a device that is gone answered must not be written to one that is back.
    try checkPresence()
    let line = Array(bytes.prefix(lineSize))
    let first = metadata.lowerBound..<metadata.lowerBound + lineSize
    let barriers = try samples { () throws(StoreError) in try barrier(first, site: .superblock) }
    let writes = try samples { () throws(StoreError) in
      try rewrite(line, at: metadata.lowerBound)
      try barrier(first, site: .superblock)
    }
    let stored = try bytesPerSecond(bytes.count, limit: .max) { (_) throws(StoreError) in
      try rewrite(bytes, at: metadata.lowerBound)
      try barrier(metadata, site: .superblock)
    }
    let read = try readBytesPerSecond()
    try checkPresence()
    return ProbeReport(
      parts: parts, persistence: persistence, region: barrierRead?.region, barrier: ProbeReport.Latency(barriers),
      lineAndBarrier: ProbeReport.Latency(writes), storedBytesPerSecond: stored, readBytesPerSecond: read)
  }

  private func rewrite(_ bytes: [UInt8], at offset: Int) throws(StoreError) {
    try unsafe bytes.span.bytes.withUnsafeBytes { (buffer) throws(StoreError) in
      try unsafe write(buffer, at: offset, site: .superblock)
    }
  }

  /// How long each call of `body` took.
  private func samples(_ body: () throws(StoreError) -> Void) throws(StoreError) -> [UInt64] {
    var samples: [UInt64] = []
    let began = monotonicNanoseconds()
    repeat {
      let start = monotonicNanoseconds()
      try body()
      samples.append(monotonicNanoseconds() - start)
    } while samples.count < Self.barrierLimit && monotonicNanoseconds() - began < Self.measuringTime
    return samples
  }

  /// - Parameters:
  ///   - count: the bytes that a call of `body` moves.
  ///   - limit: the bytes after which it is enough.
  ///   - body: gets how many bytes were moved before.
  private func bytesPerSecond(
    _ count: Int, limit: Int, _ body: (Int) throws(StoreError) -> Void
  ) throws(StoreError) -> Double {
    var moved = 0
    let began = monotonicNanoseconds()
    var taken: UInt64
    repeat {
      try body(moved)
      moved += count
      taken = monotonicNanoseconds() - began
    } while taken < Self.measuringTime && moved < limit
    return Double(moved) * 1e9 / Double(max(1, taken))
  }

  private func readBytesPerSecond() throws(StoreError) -> Double {
    let step = min(Self.readStep, length)
    let buffer = unsafe allocateLines(bytes: step)
    defer { unsafe buffer.deallocate() }
    // Whole steps, from the start again where the region is short.
    let end = length - length % step
    return try bytesPerSecond(step, limit: Self.readLimit) { (moved) throws(StoreError) in
      unsafe barkv_stream_load(buffer, target + moved % end, step)
    }
  }
}
