/// Why a run ended early.
enum BenchError: Error, CustomStringConvertible {
  /// The operating system refused a call.
  case system(call: String, errno: Int32)
  /// A subject answered wrongly, so its time says nothing.
  case wrongAnswer(subject: Subject, work: Work, expected: UInt64, found: UInt64)
  /// The store does not use the barrier that is to be measured.
  case wrongDomain(String)
  /// `kvcli bench` did not do what was asked.
  case kvcli(String)

  /// What happened, in words for a person.
  var description: String {
    switch self {
    case .system(let call, let code):
      "\(call) failed with error \(code)"
    case .wrongAnswer(let subject, let work, let expected, let found):
      "\(subject.rawValue), \(work.rawValue): the answers sum up to \(found), not to \(expected)"
    case .wrongDomain(let reason):
      "the store's domain is not cacheFlush: \(reason)"
    case .kvcli(let reason):
      "kvcli bench: \(reason)"
    }
  }
}
