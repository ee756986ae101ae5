import BarKV

/// Everything that can go wrong with a peer device, one case a cause.
///
/// Nothing that a device says or that a caller asks for traps.
public enum PeerError: Error, Sendable, Equatable {
  /// No function of the PCI bus has the address, or the bus cannot be read.
  case noSuchDevice(String, reason: String)
  /// The device is not what is needed, or not in a state to be used: why, and what to do where something can be done.
  case unusable(String, reason: String, remedy: String?)
  /// Somebody else uses the BAR.
  case busy(String)
  /// The device did not do something in time. What it was told to do may still happen: reset it before its memory is used
  /// for anything else.
  case timedOut(String, milliseconds: Int)
  /// The device reads as all ones: it is gone, asleep, or in a reset.
  case gone(String)
  /// The controller reports a fatal error (CSTS.CFS), or broke the protocol.
  case controllerFailed(String)
  /// A command ended with an error: its status code type and status code (NVMe 2.1, 4.2.3).
  case commandFailed(command: String, type: UInt8, code: UInt8)
  /// What was asked for is outside what the device has or takes.
  case invalidRequest(String)
  /// The operating system refused a call.
  case system(call: String, errno: Int32)
}

extension PeerError: CustomStringConvertible {
  /// What happened, and what to do next.
  public var description: String {
    switch self {
    case .noSuchDevice(let address, let reason): "There is no peer device at \(address): \(reason)."
    case .unusable(let address, let reason, let remedy):
      "\(address) cannot be used: \(reason)." + (remedy.map { " What to do: \($0)." } ?? "")
    case .busy(let what): "\(what) is in use by somebody else: end that first."
    case .timedOut(let what, let milliseconds):
      "\(what) took more than \(milliseconds) ms: the device has to be reset before its memory is used again."
    case .gone(let what): "\(what) does not answer: it is gone, asleep, or in a reset."
    case .controllerFailed(let what): "The controller failed: \(what). Reset it."
    case .commandFailed(let command, let type, let code):
      "The controller refused \(command): status code type \(type), status code \(code)."
    case .invalidRequest(let reason): "The request is invalid: \(reason)."
    case .system(let call, let code): "\(call) failed: \(systemMessage(code))."
    }
  }
}
