import BarKV
import PeerDevices

/// Why the program ends early: its exit status, as those of `kvcli`, and a line for standard error.
struct Failure: Error {
  let status: Int32
  let message: String

  init(_ status: Int32, _ message: String) {
    self.status = status
    self.message = message
  }

  /// What an error means; `nil` for one of the argument parser's.
  init?(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as StoreError: self.init(Self.status(of: error), error.description)
    case let error as PeerError: self.init(Self.status(of: error), error.description)
    default: return nil
    }
  }

  static let usage: Int32 = 64, corrupt: Int32 = 65, noInput: Int32 = 66
  static let cannotCreate: Int32 = 73, inputOutput: Int32 = 74, busy: Int32 = 75

  private static func status(of error: PeerError) -> Int32 {
    switch error {
    case .noSuchDevice: noInput
    case .busy: busy
    case .invalidRequest: usage
    case .commandFailed(_, NVMeStatus.mediaError, NVMeStatus.compareFailure): corrupt
    case .unusable, .timedOut, .gone, .controllerFailed, .commandFailed, .system: inputOutput
    }
  }

  private static func status(of error: StoreError) -> Int32 {
    switch error {
    case .invalidAddress, .unsupportedMedium, .invalidOption, .invalidSize, .invalidKeyLength, .valueTooLarge,
      .invalidReservation:
      usage
    case .notAStore, .wrongByteOrder, .unsupportedVersion, .unsupportedFeatures, .sizeMismatch, .corrupt,
      .damagedRecord, .damagedIndex:
      corrupt
    case .noSuchStore, .noSuchDevice: noInput
    case .full, .tooManyReservations: cannotCreate
    case .busy: busy
    default: inputOutput
    }
  }
}
