import CRivals

/// What has a row in the tables: a store, or a limit.
struct Subject: Codable, Sendable {
  /// The name in commands and results.
  var identifier: String
  /// The name in tables.
  var name: String
  /// The version of its library; empty where there is none.
  var version: String
  /// How it is set up and why, one setting a line.
  var settings: [String]

  static let barkv = Subject(
    identifier: "barkv", name: "BarKV", version: "",
    settings: BarKVStore.settings.split(separator: "\n").map(String.init))

  /// All stores, in the order of the tables.
  static var stores: [Subject] { unsafe [barkv] + RivalStore.all.map { unsafe Subject($0.pointee) } }

  /// The loops in C.
  static let limits = [
    Subject(
      identifier: LimitsSuite.raw, name: "raw copy, flush, fence", version: "",
      settings: ["records of the same bytes, non-temporal stores and a fence for each"]),
    Subject(
      identifier: LimitsSuite.ceiling, name: "the same and an index", version: "",
      settings: ["one hash table in DRAM; no checksum, no recovery, no concurrency"]),
  ]
}

extension Subject {
  /// A store that the interface in C tells about.
  init(_ rival: crv_rival) {
    var text = [CChar](repeating: 0, count: 64)
    unsafe text.withUnsafeMutableBufferPointer { unsafe rival.version($0.baseAddress, $0.count) }
    let settings = unsafe String(cString: rival.settings)
    unsafe self.init(
      identifier: String(cString: rival.identifier), name: String(cString: rival.name),
      version: String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self),
      settings: settings.split(separator: "\n").map(String.init))
  }
}
