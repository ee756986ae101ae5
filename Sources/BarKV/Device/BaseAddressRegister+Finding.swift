extension BaseAddressRegister {
  /// Something that was found about a BAR: why it cannot hold a store, or not yet, or how well it would.
  public struct Finding: Sendable, Hashable {
    /// What was found.
    public let kind: Kind
    /// The same in words for a person.
    public let explanation: String
    /// What to do about it, where something can be done.
    public let remedy: String?

    /// What the BAR would be worth if this were all.
    public var verdict: Verdict { kind.verdict }

    init(_ kind: Kind, _ explanation: String, remedy: String? = nil) {
      self.kind = kind
      self.explanation = explanation
      self.remedy = remedy
    }
  }
}

extension BaseAddressRegister.Finding {
  /// The kinds of findings.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    // MARK: There can be no store

    /// The range is I/O ports.
    case inputOutput
    /// The range has no address.
    case unassigned
    /// The range is smaller than the smallest region.
    case tooSmall
    /// The range is not prefetchable, as ranges of registers are.
    case notPrefetchable
    /// The range is an NVMe controller's registers.
    case controllerRegisters
    /// The range is, or has in it, a controller memory buffer, which is volatile.
    case controllerMemoryBuffer
    /// The Persistent Memory Region names no barrier.
    case regionWithoutBarrier

    // MARK: There can be one once something is done

    /// The function's configuration space cannot be read.
    case configurationUnreadable
    /// A driver is bound to the function.
    case driverBound
    /// The function does not answer in memory space.
    case memorySpaceOff
    /// The kernel lets nobody map a BAR.
    case lockedDown
    /// There is no file that maps the range.
    case noResourceFile
    /// This process may not map the range.
    case noPermission
    /// The range may be volatile; the registers that would say so cannot be read.
    case registersUnread
    /// The Persistent Memory Region reports an error.
    case regionFailed
    /// The Persistent Memory Region takes no more writes.
    case regionReadOnly

    // MARK: There can be one, and this is worth knowing

    /// Nothing says what the range is, nor that it outlives a power cut.
    case useUnknown
    /// There is no file that maps the range with write combining.
    case noWriteCombining
    /// The Persistent Memory Region is not enabled.
    case regionOff
    /// The Persistent Memory Region lost what it held.
    case regionRestoreFailed

    /// What a BAR would be worth if this were all.
    public var verdict: BaseAddressRegister.Verdict {
      switch self {
      case .inputOutput, .unassigned, .tooSmall, .notPrefetchable, .controllerRegisters, .controllerMemoryBuffer,
        .regionWithoutBarrier:
        .unsuitable
      case .configurationUnreadable, .driverBound, .memorySpaceOff, .lockedDown, .noResourceFile, .noPermission,
        .registersUnread, .regionFailed, .regionReadOnly:
        .blocked
      case .useUnknown, .noWriteCombining, .regionOff, .regionRestoreFailed:
        .ready
      }
    }
  }
}
