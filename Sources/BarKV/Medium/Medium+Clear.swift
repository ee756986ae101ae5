import CBarKV

/// Making a device's memory ready for a new store.
extension Medium {
  /// The device for a new store, cleared; unmapped where that is refused or fails.
  ///
  /// - Parameter size: the region's size, which must be the device's; `nil` for just that.
  /// - Throws: ``StoreError/invalidSize(bytes:reason:)``; what ``clear(replacing:path:)`` throws.
  func cleared(size: Int?, replacing: Bool, path: String) throws(StoreError) -> Medium {
    do throws(StoreError) {
      if let size, size != length {
        throw .invalidSize(bytes: size, reason: "the device has \(length) bytes, and a store takes them all")
      }
      try clear(replacing: replacing, path: path)
      return self
    } catch {
      unmap()
      throw error
    }
  }

  /// How far apart the region is tried.
  private static var stepBytes: Int { 1 << 20 }

  /// Makes all bytes zero, and sees on the way that the device keeps what is written to it.
  ///
  /// - Parameter replacing: whether the place of the superblocks may hold something.
  /// - Throws: ``StoreError/alreadyExists(_:)``, ``StoreError/deviceLost(_:)``,
  ///   ``StoreError/deviceUnusable(_:reason:remedy:)``, ``StoreError/outcomeUnknown(_:)``.
  func clear(replacing: Bool, path: String) throws(StoreError) {
    try checkAnswer()
    let stride = Geometry.metadataStride(regionBytes: length)
    let copies = [0, stride].map { $0..<$0 + Superblock.encodedBytes }.filter { $0.upperBound <= length }
    // Erased memory of some kinds is all ones.
    let isBlank = copies.allSatisfy { copy in
      let bytes = unsafe self.target(copy)
      return unsafe bytes.allSatisfy { $0 == 0 } || bytes.allSatisfy { $0 == 0xFF }
    }
    guard isBlank || replacing else { throw .alreadyExists(path) }
    // First of all, and behind a barrier: a power cut in what follows must not leave an old store's superblock over a region
    // of which some is zero.
    for copy in copies { try fill(copy, with: 0) }
    try barrier(0..<length, site: .superblock)
    try tryPlaces(path)
    try fill(0..<length, with: 0)
    try barrier(0..<length, site: .superblock)
    let isClear = places.allSatisfy { place in unsafe self.target(place).allSatisfy { $0 == 0 } }
    guard isClear else { throw unsuitable(path) }
  }

  /// Lines all over the region, the first and the last of them among these, at distances at which a device that has less
  /// memory than its BAR would answer with the same memory again.
  private var places: [Range<Int>] {
    var offsets = Set(stride(from: 0, to: length, by: min(Self.stepBytes, max(lineSize, length / 16))))
    var offset = lineSize
    while offset < length {
      offsets.insert(offset)
      offset *= 2
    }
    offsets.insert(length - lineSize)
    return offsets.sorted().map { $0..<$0 + lineSize }
  }

  /// Writes to each place what no other has, and reads it back from the device.
  private func tryPlaces(_ path: String) throws(StoreError) {
    for place in places { try fill(place, with: Self.pattern(place.lowerBound)) }
    try barrier(0..<length, site: .superblock)
    for place in places {
      let expected = Self.pattern(place.lowerBound)
      for offset in stride(from: place.lowerBound, to: place.upperBound, by: 8) {
        guard unsafe barkv_load_from_device(target + offset) == expected else { throw unsuitable(path) }
      }
    }
  }

  private static func pattern(_ offset: Int) -> UInt64 {
    // Odd, so that no place's is zero, and none's is all ones.
    (UInt64(offset) &* 0x9E37_79B9_7F4A_7C15) | 1
  }

  private func unsuitable(_ path: String) -> StoreError {
    if (try? checkAnswer()) == nil { return .deviceLost(lossText) }
    return .deviceUnusable(
      path, reason: "it does not give back what was written to it: it is no memory, or less than its BAR",
      remedy: "ask the device's maker what the BAR is")
  }

  /// The mapping's bytes: not those of a mirror.
  private func target(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: target + range.lowerBound, count: range.count)
  }

  private func fill(_ range: Range<Int>, with word: UInt64) throws(StoreError) {
    let words = [UInt64](repeating: word, count: min(range.count, 64 << 10) / 8)
    try unsafe words.span.bytes.withUnsafeBytes { (block) throws(StoreError) in
      var offset = range.lowerBound
      while offset < range.upperBound {
        let count = min(block.count, range.upperBound - offset)
        try unsafe write(UnsafeRawBufferPointer(rebasing: block[..<count]), at: offset, site: .superblock)
        offset += count
      }
    }
  }
}
