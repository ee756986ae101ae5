import BarKV

/// What the process's exit status says; the values above 63 are those of `sysexits.h`.
enum ExitStatus: Int32 {
  /// The command did what it was asked to do.
  case done = 0
  /// The key is absent.
  case absent = 1
  /// `verify` found damage.
  case damage = 2
  /// The command line is wrong.
  case usage = 64
  /// The store, or the text being loaded, is not what it should be.
  case corrupt = 65
  /// There is no store, or no input file, at the path.
  case noInput = 66
  /// The store is full, or a file cannot be created.
  case cannotCreate = 73
  /// The device, a file or a pipe failed.
  case inputOutput = 74
  /// Another owner has the store open.
  case busy = 75
}

/// Why a command ended early: the exit status, and one line for standard error.
struct Failure: Error {
  /// The exit status of the process.
  let status: ExitStatus
  /// What happened and what to do next; no line break.
  let message: String

  /// A failure with its status and message.
  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }
}

/// The reader of an output has gone: the process ends the way a pipeline tool does, without a word.
struct BrokenPipe: Error {}

extension StoreError {
  /// The exit status that tells scripts which kind of error this is.
  var exitStatus: ExitStatus {
    switch self {
    case .invalidAddress, .unsupportedMedium, .invalidOption, .invalidSize, .invalidKeyLength, .valueTooLarge,
      .batchTooLarge, .invalidReservation, .peerUnverified:
      .usage
    case .notAStore, .wrongByteOrder, .unsupportedVersion, .unsupportedFeatures, .sizeMismatch, .corrupt,
      .damagedRecord, .damagedIndex, .undecodableValue:
      .corrupt
    case .noSuchStore, .noSuchDevice:
      .noInput
    case .noSuchReservation:
      .absent
    case .alreadyExists, .full, .tooManyReservations:
      .cannotCreate
    case .busy, .reservationInUse:
      .busy
    case .system(_, let code):
      Platform.meansNoSpace(code) ? .cannotCreate : .inputOutput
    case .permissionDenied, .readOnly, .closed, .closedInsideRead, .forked, .deviceLost, .outcomeUnknown,
      .busUnreadable, .deviceUnusable, .peerDataIncomplete:
      .inputOutput
    }
  }

  /// The exit status when the error came from creating a store: a region that the system refuses cannot be created,
  /// whatever the reason, unless the device itself failed.
  var exitStatusOfCreation: ExitStatus {
    switch self {
    case .noSuchStore, .permissionDenied: .cannotCreate
    case .system(_, let code): Platform.meansDeviceError(code) ? .inputOutput : .cannotCreate
    default: exitStatus
    }
  }
}
