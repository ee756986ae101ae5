import CBarKV

/// What a device behind a bus asks of a write and of a barrier: see `Docs/Persistence.md`.
extension Medium {
  /// Writes lines where the region is mapped in two ways.
  @inline(never)
  func storeDivided(_ source: UnsafeRawBufferPointer, at offset: Int, site: MediumSite) throws(StoreError) {
    let words = max(0, min(uncachedBytes - offset, source.count))
    if words > 0 {
      let part = unsafe UnsafeRawBufferPointer(rebasing: source[..<words])
      if observer != nil { try notify(.store(site: site, offset: offset, bytes: unsafe Array(part))) }
      unsafe barkv_store_words(target + offset, part.baseAddress!, words)
    }
    if words < source.count {
      let part = unsafe UnsafeRawBufferPointer(rebasing: source[words...])
      if observer != nil {
        try notify(.streamingStore(site: site, offset: offset + words, bytes: unsafe Array(part)))
      }
      unsafe stream(part, at: offset + words)
    }
    // The device first: what fills a page of the mirror meanwhile must not find less there than the mirror had.
    unsafe mirror?.write(source, at: offset)
  }

  /// Begins to fill the mirror, where there is one, once the region's guard stands.
  func startMirror() throws(StoreError) {
    guard let mirror else { return }
    // Not the medium itself, which keeps the mirror.
    let (loss, presence, configuration) = (self.loss, self.presence, self.configuration)
    let target = unsafe UInt(bitPattern: self.target)
    try mirror.start {
      let known = presence.offset.load(ordering: .acquiring)
      let address = unsafe UnsafeRawPointer(bitPattern: target)! + max(0, known)
      let word = unsafe barkv_load_from_device(address)
      let isThere =
        known >= 0
        ? word == presence.word.load(ordering: .relaxed)
        : word != .max || (configuration?.answersInMemorySpace ?? false)
      if !isThere { loss.noteTotal() }
    }
  }

  /// Has what is read from here on come from the device, and not from what a mirror had before.
  func dropMirror() {
    mirror?.dropAll()
  }

  /// Full lines past the cache: on a mapping that combines writes each leaves the processor as one.
  private func stream(_ lines: UnsafeRawBufferPointer, at offset: Int) {
    if barkv_can_stream() {
      unsafe barkv_stream_lines(target + offset, lines.baseAddress!, lines.count)
    } else {
      unsafe barkv_store_words(target + offset, lines.baseAddress!, lines.count)
    }
  }

  /// Pushes what was fenced, by any thread, to the device: a read that the device answers overtakes no posted write before
  /// it. Without it a power cut may take what the bus still carries.
  ///
  /// - Throws: ``StoreError/outcomeUnknown(_:)`` where the device is no longer what it was.
  func readBack(site: MediumSite) throws(StoreError) {
    guard let barrierRead, !MediumFault.dropReadBack.isActive(at: site) else { return }
    let isStatusFirst = persistence.domain == .pmrStatusRead && !Mutant.statusReadLeftOut.isActive
    if isStatusFirst { try readStatus(barrierRead, site: site) }
    if persistence.domain != .pmrMemoryRead || !Mutant.memoryReadLeftOut.isActive {
      try readKnownWord(barrierRead, site: site)
    }
    if persistence.domain == .pmrMemoryRead { try readStatus(barrierRead, site: site) }
  }

  private func readStatus(_ read: BarrierRead, site: MediumSite) throws(StoreError) {
    guard read.hasStatus else { return }
    if observer != nil { try notify(.statusRead(site: site)) }
    guard let problem = read.readStatus() else { return }
    try fail(problem)
  }

  /// The superblock's first word: it is always there, and nothing changes it. While the region has none yet, the load is a
  /// barrier all the same, and proves nothing of the device.
  private func readKnownWord(_ read: BarrierRead, site: MediumSite) throws(StoreError) {
    let known = presence.offset.load(ordering: .acquiring)
    let offset = max(0, known)
    if observer != nil { try notify(.readBack(site: site, offset: offset)) }
    if read.evictsLine { unsafe barkv_evict_line(target + offset) }
    let word = unsafe barkv_read_back(target + offset)
    if read.simulatedNanoseconds > 0 { spin(nanoseconds: read.simulatedNanoseconds) }
    if known >= 0, word != presence.word.load(ordering: .relaxed) { try fail(nil) }
  }

  /// Notes that the device is lost, and says so to the writer.
  private func fail(_ reason: String?) throws(StoreError) -> Never {
    if let reason { presence.failure.withLock { $0 = $0 ?? reason } }
    loss.noteTotal()
    throw .outcomeUnknown(lossText)
  }
}
