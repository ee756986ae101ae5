/// Everything that can go wrong, one case a cause.
///
/// Each error's ``description`` says what happened and what to do next. No input, image or device state traps: whatever
/// is wrong with what the store was given arrives here.
public enum StoreError: Error, Sendable, Equatable {
  // MARK: Addresses and options

  /// The text is no store address.
  case invalidAddress(String)
  /// The address names something that is no medium of the kind it says: a `dax:` address of what is not on DAX.
  case unsupportedMedium(String)
  /// An option is outside its range.
  case invalidOption(String)
  /// The size asked for cannot hold a store.
  case invalidSize(bytes: Int, reason: String)

  // MARK: Opening

  /// Nothing exists at the address.
  case noSuchStore(String)
  /// No function of the PCI bus has the address.
  case noSuchDevice(String)
  /// The device at the address cannot hold a store, or not in the state that it is in: why, and what to do, where something
  /// can be done.
  case deviceUnusable(String, reason: String, remedy: String?)
  /// Something exists where a store was to be created.
  case alreadyExists(String)
  /// The operating system refused the access.
  case permissionDenied(String)
  /// Another process, or another `Store` of this process, owns the store. `owner` is the process that last opened it for
  /// writing, where the store names one.
  case busy(path: String, owner: Int32?)
  /// The region does not start with a BarKV superblock. Nothing was changed.
  case notAStore(String)
  /// The region was written in the other byte order.
  case wrongByteOrder
  /// The format's version is not one that this build reads.
  case unsupportedVersion(found: UInt16, supported: UInt16)
  /// The region uses features that this build does not know.
  case unsupportedFeatures(UInt64)
  /// The region is shorter or longer than its superblock says.
  case sizeMismatch(recorded: UInt64, found: UInt64)
  /// Metadata that every later step needs is damaged: no valid copy is left.
  case corrupt(String)

  // MARK: Operations

  /// The key has no bytes, or more than the store takes.
  case invalidKeyLength(Int, maximum: Int)
  /// The value has more bytes than the store takes.
  case valueTooLarge(Int, maximum: Int)
  /// The batch has more operations, or more bytes, than the store takes.
  case batchTooLarge(operations: Int)
  /// The length or the alignment of a reservation is none that can be had.
  case invalidReservation(String)
  /// So many reservations are open already.
  case tooManyReservations(limit: Int)
  /// No reservation has the token: it was committed or abandoned before, or is another store's.
  case noSuchReservation(String)
  /// Another call commits or abandons the reservation, or has its memory.
  case reservationInUse(String)
  /// What was given does not prove that a peer's data is there: its word alone on a device's memory; or, where the machine was
  /// started since the reservation, anything but a checksum.
  case peerUnverified
  /// Not all of what a peer was to write has arrived.
  case peerDataIncomplete(String)
  /// No space is left for this write. Deletes still work.
  case full
  /// A stored record does not match its checksum.
  case damagedRecord(offset: UInt64)
  /// A part of the index does not match its checksum: the keys whose places it has cannot be looked up.
  case damagedIndex(offset: UInt64)
  /// The value's bytes are not what the asked type can hold.
  case undecodableValue
  /// The store was opened read-only.
  case readOnly
  /// The store was closed.
  case closed
  /// `close()` was called inside a read closure of the same store.
  case closedInsideRead
  /// This process is a fork of the owner: the store belongs to the parent.
  case forked
  /// The medium failed or vanished: the store is poisoned and every later call fails the same way.
  case deviceLost(String)
  /// A barrier failed: whether the operation is durable is not known, and the store is poisoned.
  case outcomeUnknown(String)
  /// The PCI bus as a whole cannot be read.
  case busUnreadable(String)
  /// The operating system refused a call.
  case system(call: String, errno: Int32)
}

extension StoreError: CustomStringConvertible {
  /// What happened, and what to do next, in one or two sentences.
  public var description: String {
    switch self {
    case .invalidAddress(let text):
      "“\(text)” is no store address: give PATH, file:PATH, dax:PATH, pci:DDDD:BB:DD.F/BAR or pmr:DDDD:BB:DD.F."
    case .unsupportedMedium(let text):
      "“\(text)” is not on DAX: name a device DAX node or a file on a DAX file system, or use file:PATH."
    case .invalidOption(let reason):
      "An option is out of range: \(reason)."
    case .invalidSize(let bytes, let reason):
      "A region of \(bytes) bytes cannot hold a store: \(reason)."
    case .noSuchStore(let path):
      "There is no store at \(path): create one first."
    case .noSuchDevice(let address):
      "No PCI function has the address of \(address): look at the bus with kvcli devices."
    case .deviceUnusable(let address, let reason, let remedy):
      "\(address) cannot be used: \(reason)." + (remedy.map { " What to do: \($0)." } ?? "")
    case .alreadyExists(let path):
      "\(path) exists already: open it, choose another path, or replace it explicitly."
    case .permissionDenied(let path):
      "Access to \(path) was denied: check its owner and mode, or open it read-only."
    case .busy(let path, let owner):
      if let owner {
        "\(path) is in use (last opened for writing by process \(owner)): close it there, or wait."
      } else {
        "\(path) is in use by another owner: close it there, or wait."
      }
    case .notAStore(let path):
      "\(path) holds no BarKV store; it was left as it is. Check the path."
    case .wrongByteOrder:
      "The store was written on a machine of the other byte order: open it there and move it by dump and load."
    case .unsupportedVersion(let found, let supported):
      "The store has format version \(found), this build reads \(supported): use a build that reads it."
    case .unsupportedFeatures(let bits):
      "The store uses unknown incompatible features (bits 0x\(String(bits, radix: 16))): use a newer build."
    case .sizeMismatch(let recorded, let found):
      "The region has \(found) bytes, its superblock says \(recorded): restore its size or a backup."
    case .corrupt(let what):
      "The store is corrupt: \(what). Restore a backup."
    case .invalidKeyLength(let length, let maximum):
      "A key has 1 to \(maximum) bytes here, not \(length)."
    case .valueTooLarge(let length, let maximum):
      "A value has at most \(maximum) bytes here, not \(length)."
    case .batchTooLarge(let operations):
      "A batch of \(operations) operations does not fit this store: split it."
    case .invalidReservation(let reason):
      "Such a reservation cannot be made: \(reason)."
    case .tooManyReservations(let limit):
      "\(limit) reservations are open, and no more are taken: commit or abandon some, as `kvcli peer list` shows them."
    case .noSuchReservation(let token):
      "No reservation has the token \(token): it was committed or abandoned already, or is another store's."
    case .reservationInUse(let token):
      "The reservation \(token) is being written, committed or abandoned by another call: wait for that."
    case .peerUnverified:
      "That does not prove that all of the peer's data is there: on a device's memory it may arrive after the peer's word, and "
        + "after a restart some may be lost. Commit with its checksum, or by your own word that all of it is there."
    case .peerDataIncomplete(let what):
      "Not all of the peer's data has arrived (\(what)): the reservation stays; commit again once it has, or abandon it."
    case .full:
      "The store is full: delete entries, or move to a larger region by dump and load."
    case .damagedRecord(let offset):
      "The record at offset \(offset) does not match its checksum: run verify and restore the entry."
    case .damagedIndex(let offset):
      "The index is damaged at offset \(offset): run repair, which builds it anew from the log."
    case .undecodableValue:
      "The value's bytes do not decode as the type asked for: read it as bytes."
    case .readOnly:
      "The store was opened read-only: open it for writing."
    case .closed:
      "The store was closed: open it again."
    case .closedInsideRead:
      "The store cannot be closed inside a read closure of its own: return from the closure first."
    case .forked:
      "This process is a fork of the store's owner and may not use it: open stores after forking."
    case .deviceLost(let what):
      "The medium was lost (\(what)): close the store, repair the device, and open again."
    case .outcomeUnknown(let what):
      "A barrier failed (\(what)): whether the write is durable is unknown. Close the store and open it again to see."
    case .busUnreadable(let what):
      "The PCI bus cannot be read (\(what)): check that this machine has one, and that sysfs is mounted."
    case .system(let call, let code):
      "\(call) failed: \(systemMessage(code))."
    }
  }
}
