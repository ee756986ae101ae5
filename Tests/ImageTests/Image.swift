@testable import BarKV

/// A region's bytes, opened in memory.
enum Image {
  /// Opens the store in `image`; what it writes shows in `keeper`.
  static func open(
    _ image: [UInt8], access: Access = .readOnly, verifiesReads: Bool = false, rebuildsIndex: Bool = false,
    keeper: ImageKeeper? = nil
  ) throws(StoreError) -> Store {
    var options = StoreOptions()
    options.verifiesReads = verifiesReads
    options.rebuildsIndex = rebuildsIndex
    let medium = try Medium.memory(image: image, isWritable: access == .readWrite, observer: keeper)
    do throws(StoreError) {
      return try Recovery.open(medium, path: "memory", access: access, options: options)
    } catch {
      medium.unmap()
      throw error
    }
  }

  /// Where the records and headers of a sound image stand.
  struct Map {
    /// A record, as its segment's salt proves it.
    struct Place {
      var offset: Int
      var segment: Int
      var header: Record.Header
      var key: [UInt8]
    }

    var superblock: Superblock
    /// The used segments and their headers.
    var segments: [SegmentHeader] = []
    var records: [Place] = []

    init(_ image: [UInt8]) throws(StoreError) {
      superblock = try unsafe image.span.bytes.withUnsafeBytes { (region) throws(StoreError) in
        try unsafe Superblock.read(from: region, path: "memory").superblock
      }
      unsafe image.withUnsafeBytes { unsafe read($0) }
    }

    private mutating func read(_ region: UnsafeRawBufferPointer) {
      let geometry = superblock.geometry
      var segment = 0
      while segment < geometry.segmentCount {
        guard
          case .valid(let header, _) = unsafe SegmentHeader.read(
            from: region, segment: segment, superblock: superblock)
        else {
          segment += 1
          continue
        }
        segments.append(header)
        if header.kind == .log { unsafe readRecords(region, header) }
        segment += header.span
      }
    }

    private mutating func readRecords(_ region: UnsafeRawBufferPointer, _ header: SegmentHeader) {
      let end = superblock.geometry.segmentOffset(header.segment) + superblock.geometry.segmentSize
      var offset = superblock.geometry.segmentOffset(header.segment) + Geometry.segmentHeaderBytes
      let salt = header.salt(seed: superblock.seed)
      while offset < end {
        guard let found = unsafe Record.validate(region, at: offset, limit: end, salt: salt) else {
          offset += lineSize
          continue
        }
        let start = offset + Record.headerBytes
        records.append(
          Place(
            offset: offset, segment: header.segment, header: found,
            key: unsafe Array(region[start..<start + found.keyLength])))
        offset += found.lines * lineSize
      }
    }

    /// The records about `key`, in the order of the region.
    func records(of key: String) -> [Place] { records.filter { $0.key == Array(key.utf8) } }
  }
}

extension Store {
  /// All entries.
  func contents() throws(StoreError) -> [[UInt8]: [UInt8]] {
    var result: [[UInt8]: [UInt8]] = [:]
    try forEach { (key: RawSpan, value: RawSpan) in
      result[unsafe key.withUnsafeBytes { unsafe Array($0) }] = unsafe value.withUnsafeBytes { unsafe Array($0) }
    }
    return result
  }
}
