/// How a ``MediumFault`` breaks what the medium is asked for. In a build without mutants each of these is nothing at all.
extension Medium {
  /// Whether a mutant keeps these lines from being written, or keeps them for later.
  @inline(__always)
  func isBroken(writing source: UnsafeRawBufferPointer, at offset: Int, site: MediumSite) -> Bool {
    #if BARKV_MUTANTS
      if MediumFault.lateWrite.isActive(at: site) {
        held.keep(unsafe Array(source), offset: offset, site: site)
        return true
      }
    #endif
    return MediumFault.dropWrite.isActive(at: site)
  }

  /// Writes what this thread's barrier, which is over, should have covered.
  @inline(__always)
  func writeHeld() throws(StoreError) {
    #if BARKV_MUTANTS
      for write in held.take() {
        try unsafe write.lines.span.bytes.withUnsafeBytes { (lines) throws(StoreError) in
          try unsafe store(lines, at: write.offset, site: write.site)
        }
      }
    #endif
  }

  /// What is written back of a range.
  @inline(__always)
  func broken(flush range: Range<Int>, site: MediumSite) -> Range<Int> {
    if MediumFault.dropFlush.isActive(at: site) { return range.lowerBound..<range.lowerBound }
    if MediumFault.flushWithoutFirstLine.isActive(at: site) { return range.dropFirst(lineSize) }
    if MediumFault.flushWithoutLastLine.isActive(at: site) { return range.dropLast(lineSize) }
    return range
  }

  /// What a barrier covers of a range.
  @inline(__always)
  func broken(barrier range: Range<Int>, site: MediumSite) -> Range<Int> {
    if MediumFault.dropSync.isActive(at: site) { return range.lowerBound..<range.lowerBound }
    if MediumFault.syncWithoutFirstLine.isActive(at: site) { return range.dropFirst(lineSize) }
    if MediumFault.syncWithoutLastLine.isActive(at: site) { return range.dropLast(lineSize) }
    return range
  }
}

#if BARKV_MUTANTS
  import CBarKV

  /// Writes that a mutant keeps until their thread's next barrier is over.
  final class HeldWrites: Sendable {
    struct Write: Sendable {
      var lines: [UInt8]
      var offset: Int
      var site: MediumSite
    }

    private let writes = Locked<[Int: [Write]]>([:])

    func keep(_ lines: [UInt8], offset: Int, site: MediumSite) {
      let thread = Int(barkv_thread_slot())
      writes.withLock { $0[thread, default: []].append(Write(lines: lines, offset: offset, site: site)) }
    }

    func take() -> [Write] {
      let thread = Int(barkv_thread_slot())
      return writes.withLock { $0.removeValue(forKey: thread) ?? [] }
    }
  }
#endif
