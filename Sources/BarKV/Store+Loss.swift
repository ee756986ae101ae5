/// What a store answers when some of its region is lost while it is open.
///
/// Lost memory reads as zeros (see ``MediumLoss``), so each answer that was made by reading is looked at once more before
/// it is given: by ``Medium/isWhole`` where it is made, and here where that says no.
extension Store {
  /// Throws what reading `range` cannot answer for. The caller is still inside its read.
  ///
  /// - Throws: ``StoreError/deviceLost(_:)``, and the store is poisoned; ``StoreError/damagedRecord(offset:)``.
  @inline(never)
  func checkReads(of range: Range<Int>) throws(StoreError) {
    try poisoning { () throws(StoreError) in try medium.checkReads(of: range) }
  }

  /// Throws if `error`, or the answer that a key is absent, is only what reading a region that is gone came to.
  func checkPresence() throws(StoreError) {
    try poisoning { () throws(StoreError) in try medium.checkPresence() }
  }

  /// The record at `place`, of a key with `keyLength` bytes, whose key cannot be compared because its memory is poisoned.
  /// It is taken for that key's: another's hash is the same in all bits that the index has once in 16 million.
  ///
  /// The caller is inside a read, or holds the partition's lock.
  @inline(__always)
  func unreadable(_ place: Index.Place, keyLength: Int) -> (position: Int, line: Int)? {
    medium.isWhole ? nil : findUnreadable(place, keyLength: keyLength)
  }

  @inline(never)
  private func findUnreadable(_ place: Index.Place, keyLength: Int) -> (position: Int, line: Int)? {
    index.position(
      place,
      matches: { line in
        let start = line * lineSize
        return medium.poisoned(in: start..<start + Record.headerBytes + keyLength) != nil
      })
  }

  /// Throws if `place`, where a key was not found, may hold it all the same. The caller is inside a read, or holds the
  /// partition's lock.
  ///
  /// - Throws: ``StoreError/damagedRecord(offset:)``, ``StoreError/deviceLost(_:)``.
  @inline(__always)
  func checkAbsence(_ place: Index.Place, keyLength: Int) throws(StoreError) {
    if !medium.isWhole { try checkAbsenceCarefully(place, keyLength: keyLength) }
  }

  @inline(never)
  private func checkAbsenceCarefully(_ place: Index.Place, keyLength: Int) throws(StoreError) {
    try checkPresence()
    if let found = findUnreadable(place, keyLength: keyLength) {
      throw .damagedRecord(offset: UInt64(found.line * lineSize))
    }
  }
}
