/// Why a measurement ended early.
enum RivalsError: Error, CustomStringConvertible {
  /// A store failed.
  case store(String)
  /// A store did not do what was timed, so its time says nothing.
  case wrongAnswer(String)
  /// The store does not use the barrier that is to be measured.
  case wrongDomain(String)
  /// The operating system refused a call.
  case system(call: String, errno: Int32)
  /// The process that measures one store ended badly.
  case worker(String)
  /// A file of results cannot be used.
  case results(String)

  /// What happened, in words for a person.
  var description: String {
    switch self {
    case .store(let reason): reason
    case .wrongAnswer(let reason): "wrong answer: \(reason)"
    case .wrongDomain(let reason): "the store's domain is not cacheFlush: \(reason)"
    case .system(let call, let code): "\(call) failed with error \(code)"
    case .worker(let reason): reason
    case .results(let reason): reason
    }
  }
}
