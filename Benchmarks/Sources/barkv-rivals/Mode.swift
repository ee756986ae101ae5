import CRivals

/// What a write has done when it returns.
enum Mode: String, Codable, CaseIterable, Sendable {
  /// It is durable, as the store's documentation defines it.
  case durable
  /// Whatever is fastest.
  case fastest
  /// Many writes share a transaction, to have records in place that are not measured.
  case bulk

  /// The same in C.
  var code: crv_mode {
    switch self {
    case .durable: crv_durable
    case .fastest: crv_fastest
    case .bulk: crv_bulk
    }
  }
}
