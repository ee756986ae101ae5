extension Medium {
  /// A region in this process's memory: the ground for tests, images to inspect, and simulated devices.
  ///
  /// - Parameters:
  ///   - image: the region's first content.
  ///   - domain: how writes are made. `fileSync` cannot be had without a file.
  ///   - sharesBarriers: whether concurrent writers share barriers, as on a slow device.
  ///   - observer: sees each event; a simulated device waits in its barrier.
  ///   - canVanish: whether barriers and reads look whether the device is still there, as on one that can be gone.
  ///   - registers: the registers of a simulated Persistent Memory Region; all is well there unless given.
  ///   - mirrorBytes: the most bytes of a mirror of the region; 0 for none.
  ///   - uncachedBytes: the first bytes that are written word by word, as those of a BAR's control page.
  static func memory(
    image: [UInt8], domain: PersistenceDomain = .processOnly, isWritable: Bool = true, sharesBarriers: Bool = false,
    observer: (any MediumObserver)? = nil, canVanish: Bool = false,
    registers: RegionRegisters? = nil, uncachedBytes: Int = 0, mirrorBytes: Int = 0
  ) throws(StoreError) -> Medium {
    guard image.count > 0, image.count % lineSize == 0 else {
      throw .invalidSize(bytes: image.count, reason: "it is no multiple of \(lineSize)")
    }
    precondition(domain != .fileSync, "memory has no file to synchronize")
    let base = unsafe allocateLines(bytes: image.count)
    unsafe image.withUnsafeBytes { unsafe base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    var options = StoreOptions()
    options.mirrorBytes = mirrorBytes
    let medium = unsafe Medium(
      base: base, length: image.count, isWritable: isWritable,
      persistence: Persistence(domain: domain, level: .process, reason: "the region is memory of this process"),
      backing: .memory, sharesBarriers: sharesBarriers, observer: observer, canVanish: canVanish,
      barrierRead: barrierRead(domain, registers), uncachedBytes: uncachedBytes,
      mirror: Mirror.make(of: base, length: image.count, options))
    try medium.startMirror()
    return medium
  }

  /// A Persistent Memory Region has registers, simulated ones where it is.
  private static func barrierRead(_ domain: PersistenceDomain, _ registers: RegionRegisters?) -> BarrierRead? {
    switch domain {
    case .pmrStatusRead, .pmrMemoryRead: BarrierRead(registers ?? RegionRegisters(simulating: [:]))
    case .cacheFlush, .readBack, .fileSync, .processOnly: nil
    }
  }

  /// A region in memory that `owner` keeps for as long as it lives, as the medium does: for images by the thousand.
  static func memory(
    borrowing memory: UnsafeMutableRawBufferPointer, owner: AnyObject, domain: PersistenceDomain,
    sharesBarriers: Bool = false, observer: (any MediumObserver)? = nil, uncachedBytes: Int = 0
  ) throws(StoreError) -> Medium {
    guard let base = memory.baseAddress, memory.count > 0, memory.count % lineSize == 0 else {
      throw .invalidSize(bytes: memory.count, reason: "it is no multiple of \(lineSize)")
    }
    precondition(domain != .fileSync, "memory has no file to synchronize")
    return unsafe Medium(
      base: base, length: memory.count, isWritable: true,
      persistence: Persistence(domain: domain, level: .process, reason: "the region is memory of this process"),
      backing: .borrowed(owner), sharesBarriers: sharesBarriers, observer: observer,
      barrierRead: barrierRead(domain, nil), uncachedBytes: uncachedBytes)
  }
}
