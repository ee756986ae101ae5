/// Appending many records at once.
extension Log {
  /// So many bytes of records are put together before they go out: they stay in the first-level cache.
  private static var groupBytes: Int { 8192 }

  /// Appends the records of some of a plan's operations to the lane's open segment, which has room for them.
  ///
  /// Where records cannot be put together in registers, they are side by side in the lane's buffer, and copied into the
  /// region as one: a copy of each as soon as it is ready would wait for the stores that made it.
  ///
  /// - Parameter sequence: the number of the plan's first operation.
  func append(
    _ lane: Int, _ plan: borrowing CommitPlan, _ range: Range<Int>, sequence: UInt64
  ) throws(StoreError) {
    let state = unsafe self[lane]
    if medium.streamsRecords { return try unsafe stream(state, plan, range, sequence: sequence) }
    let room = unsafe min(state.pointee.scratchBytes, Self.groupBytes)
    let delta = unsafe sequence &- state.pointee.baseSequence
    var bytes = 0
    for position in range {
      let item = unsafe plan.items + position
      let size = unsafe Int(item.pointee.lines) &* lineSize
      if bytes > 0, bytes &+ size > room {
        try unsafe write(state, bytes: bytes, site: .record)
        bytes = 0
      }
      unsafe item.pointee.offset = state.pointee.position &+ bytes
      // Only the first record since the last barrier may say that all before it was durable.
      try unsafe build(
        item, plan, at: state.pointee.scratch + bytes,
        delta: UInt32(truncatingIfNeeded: delta &+ UInt64(truncatingIfNeeded: position)),
        isSettled: claimsSettled(state, isFirst: bytes == 0), salt: state.pointee.salt)
      bytes &+= size
    }
    try unsafe write(state, bytes: bytes, site: .record)
  }

  /// The same where each record goes out as it is put together.
  @unsafe
  private func stream(
    _ state: UnsafeMutablePointer<Lane>, _ plan: borrowing CommitPlan, _ range: Range<Int>, sequence: UInt64
  ) throws(StoreError) {
    for position in range {
      let item = unsafe plan.items + position
      let number = sequence &+ UInt64(truncatingIfNeeded: position)
      let isSettled = unsafe claimsSettled(state, isFirst: true)
      try unsafe withContent(of: item, plan) { (kind, value) throws(StoreError) in
        let key = unsafe item.pointee.keyBytes
        let header = unsafe Record.headerWords(
          delta: UInt32(truncatingIfNeeded: number &- state.pointee.baseSequence), key: key, value: value, kind: kind,
          isSettled: isSettled, salt: state.pointee.salt)
        try unsafe reach(state, bytes: Int(item.pointee.lines) &* lineSize)
        unsafe item.pointee.offset = advance(state, bytes: Int(item.pointee.lines) &* lineSize) { offset in
          unsafe medium.stream(header, key: key, value: value, at: offset)
        }
      }
    }
  }

  @unsafe
  @inline(__always)
  private func build(
    _ item: UnsafeMutablePointer<CommitPlan.Item>, _ plan: borrowing CommitPlan, at record: UnsafeMutableRawPointer,
    delta: UInt32, isSettled: Bool, salt: UInt32
  ) throws(StoreError) {
    try unsafe withContent(of: item, plan) { (kind, value) throws(StoreError) in
      unsafe Record.build(
        record, delta: delta, key: item.pointee.keyBytes, value: value, kind: kind, isSettled: isSettled, salt: salt)
    }
  }

  /// Calls `body` with what an operation's record says of the key, and the bytes behind it.
  @unsafe
  @inline(__always)
  private func withContent(
    of item: UnsafeMutablePointer<CommitPlan.Item>, _ plan: borrowing CommitPlan,
    _ body: (RecordKind, UnsafeRawBufferPointer) throws(StoreError) -> Void
  ) throws(StoreError) {
    if unsafe item.pointee.extent >= 0 {
      try unsafe plan.extents[Int(item.pointee.extent)].withEncoded { (reference) throws(StoreError) in
        try unsafe body(.putExtent, reference)
      }
    } else {
      try unsafe body(item.pointee.isDelete ? .delete : .put, item.pointee.valueBytes)
    }
  }
}
