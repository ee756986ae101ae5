import ArgumentParser
import BarKV

/// `kvcli peer`: room for values that another device writes in place.
struct PeerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peer",
    abstract: "Let another device write a value in place: reserve, commit, abandon, list.",
    discussion: """
      A reservation outlives the command that made it, and a crash: its place is kept from all other values until it is \
      committed or abandoned by its token. So a device can be scripted:

        kvcli peer reserve pmr:0000:01:00.0 frame/17 1MiB --json
        … the device writes 1 MiB at that address …
        kvcli peer commit pmr:0000:01:00.0 00000002-00000005-8c1d3f20 --checksum 9f3a2b1c

      commit says that the device is done, and how it is found out that all of its data is there; abandon says that it writes \
      no more.
      """,
    subcommands: [
      PeerReserveCommand.self, PeerCommitCommand.self, PeerAbandonCommand.self, PeerListCommand.self,
    ])
}

/// The token of a reservation.
struct TokenArgument: ParsableArguments {
  /// The token.
  @Argument(
    help: "The reservation's token, as reserve and list show it.",
    transform: { text in
      guard let token = ReservationToken(text) else {
        throw ValidationError("a token is three groups of eight hexadecimal digits")
      }
      return token
    })
  var token: ReservationToken
}

/// Where devices find the store.
struct PeerAddressOptions: ParsableArguments {
  /// The region's first byte, as devices find it.
  @Option(
    help: ArgumentHelp(
      "The address at which devices find the store's first byte, in hexadecimal: an IOVA that was mapped for them.",
      valueName: "address"),
    transform: { text in
      let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
      guard let address = UInt64(digits, radix: 16) else { throw ValidationError("an address is hexadecimal digits") }
      return address
    })
  var addressBase: UInt64?
}

extension StoreArgument {
  /// Opens the store as ``withStore(_:_:)`` does, with the address that devices find it at.
  func withStore<Result>(
    _ access: Access, _ addresses: PeerAddressOptions, _ body: (Store) throws -> Result
  ) throws -> Result {
    var options = options
    options.peerAddressBase = addresses.addressBase
    return try StoreArgument.closing(try Store.open(at: store, access: access, options: options), body)
  }
}

/// `kvcli peer reserve`: makes a reservation.
struct PeerReserveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reserve",
    abstract: "Reserve room for a value that a device writes in place.",
    discussion: """
      The reservation is durable when the command ends with status 0. Shows its token, its offset from the store's start, its \
      length, and the address at which devices find it, or why there is none to be had.
      """)

  @OptionGroup var target: StoreArgument

  @OptionGroup var name: KeyArgument

  @Argument(help: "The value's length: a number of bytes, or with a unit, as 64KiB.", transform: ByteSize.parse)
  var length: Int

  @Option(help: "What the offset is a multiple of: a power of two.", transform: ByteSize.parse)
  var alignment = 4096

  @OptionGroup var addresses: PeerAddressOptions

  @OptionGroup var text: EncodingOptions

  @OptionGroup var report: ReportOptions

  func validate() throws {
    _ = try text.bytes(of: name.key, called: "key")
  }

  func run() throws {
    let key = try text.bytes(of: name.key, called: "key")
    let reservation = try target.withStore(.readWrite, addresses) { store in
      try store.reserve(length, for: key, alignment: alignment)
    }
    try Console.report(asJSON: report.json) {
      .object([("store", .string(target.store.description))] + reservation.members)
    } text: {
      Figures.table(reservation.rows)
    }
  }
}

/// `kvcli peer commit`: makes a value of what a device wrote.
struct PeerCommitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "commit",
    abstract: "Make what a device wrote the value of its key.",
    discussion: """
      The device has said that it is done. On a device's memory that may overtake its data, so one of these is needed there: \
      --checksum, the value's CRC32C as iSCSI has it, in hexadecimal; --trailer, the value's last eight bytes, which the same \
      device wrote last, as a hexadecimal number that is stored with its lowest byte first; or --completed, your own word \
      that all data has arrived. Elsewhere none is needed.

      Waits for data that is late, for --timeout. Where it does not come the status is 74, and the reservation stays.
      """)

  @OptionGroup var target: StoreArgument

  @OptionGroup var token: TokenArgument

  @Option(help: ArgumentHelp("The value's CRC32C.", valueName: "hex"), transform: Self.word32)
  var checksum: UInt32?

  @Option(help: ArgumentHelp("The value's last eight bytes, as a number.", valueName: "hex"), transform: Self.word64)
  var trailer: UInt64?

  @Flag(help: "All data has arrived.")
  var completed = false

  @Option(help: ArgumentHelp("How long to wait for late data, in milliseconds.", valueName: "ms"))
  var timeout = 1000

  @OptionGroup var report: ReportOptions

  func validate() throws {
    let ways = (checksum == nil ? 0 : 1) + (trailer == nil ? 0 : 1) + (completed ? 1 : 0)
    guard ways <= 1 else { throw ValidationError("Give one of --checksum, --trailer and --completed.") }
    guard (0...86_400_000).contains(timeout) else { throw ValidationError("--timeout is 0 to 86400000 milliseconds.") }
  }

  func run() throws {
    let found = try target.withStore(.readWrite) { store in
      let found = store.reservations.first { $0.reservation.token == token.token }
      try store.commit(token.token, verifying: verification)
      return found
    }
    guard let reservation = found?.reservation else { return }
    try Console.report(asJSON: report.json) {
      .object([("store", .string(target.store.description))] + reservation.members)
    } text: {
      "committed “\(Console.shown(reservation.key))”: \(Figures.counted(reservation.length, "byte"))\n"
    }
  }

  private var verification: PeerVerification {
    if let checksum { return .checksum(checksum, timeout: .milliseconds(timeout)) }
    if let trailer { return .trailer(trailer, timeout: .milliseconds(timeout)) }
    return completed ? .completion : .default
  }

  private static func word32(_ text: String) throws -> UInt32 {
    guard let word = UInt32(text, radix: 16) else { throw ValidationError("a checksum is up to 8 hexadecimal digits") }
    return word
  }

  private static func word64(_ text: String) throws -> UInt64 {
    guard let word = UInt64(text, radix: 16) else { throw ValidationError("a trailer is up to 16 hexadecimal digits") }
    return word
  }
}

/// `kvcli peer abandon`: gives a reservation up.
struct PeerAbandonCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "abandon",
    abstract: "Give a reservation up: no device writes there any more.",
    discussion: """
      Its place may then be used for other values, so the device must be done, or reset. Ends with status 1 where no \
      reservation has the token.
      """)

  @OptionGroup var target: StoreArgument

  @OptionGroup var token: TokenArgument

  func run() throws {
    try target.withStore(.readWrite) { store in try store.abandon(token.token) }
  }
}

/// `kvcli peer list`: shows the reservations.
struct PeerListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the reservations that are open.",
    discussion: """
      Opens the store for reading only. All that it finds are in quarantine: whoever made them has ended, and their places \
      are kept until they are committed or abandoned.
      """)

  @OptionGroup var target: StoreArgument

  @OptionGroup var addresses: PeerAddressOptions

  @OptionGroup var report: ReportOptions

  func run() throws {
    let found = try target.withStore(.readOnly, addresses) { store in store.reservations }
    try Console.report(asJSON: report.json) {
      .object([
        ("store", .string(target.store.description)),
        ("reservations", .array(found.map(Self.json))),
      ])
    } text: {
      found.map(Self.text).joined()
    }
  }

  /// A reservation for programs.
  private static func json(_ info: ReservationInfo) -> JSON {
    .object(
      info.reservation.members + [
        ("state", .string(info.state.rawValue)), ("mayHaveLostData", .boolean(info.mayHaveLostData)),
        ("created", .count(info.created)),
        ("ageSeconds", .count(info.ageSeconds)),
      ])
  }

  /// A reservation for people.
  private static func text(_ info: ReservationInfo) -> String {
    let reservation = info.reservation
    return
      "\(reservation.token) “\(Console.shown(reservation.key))” \(Figures.counted(reservation.length, "byte")) at offset "
      + "\(reservation.offset), address \(reservation.address?.description ?? "unknown"), \(info.state.rawValue), "
      + "\(Figures.counted(info.ageSeconds, "second")) old\n"
  }
}

extension Reservation {
  /// The reservation for programs: its key as `key`, or as `key_base64` where it is no text; addresses as text, since they
  /// have more bits than some programs' numbers.
  fileprivate var members: [(name: String, value: JSON)] {
    let name: (name: String, value: JSON) =
      UTF8Text.isValid(key)
      ? ("key", .string(String(decoding: key, as: UTF8.self)))
      : ("key_base64", .string(String(decoding: Base64.encode(key), as: UTF8.self)))
    return [
      ("token", .string(token.description)), name, ("offset", .integer(offset)), ("length", .integer(length)),
      ("address", address.map { .string($0.description) } ?? .null),
      ("addressSource", address.map { .string($0.source.rawValue) } ?? .null),
      ("controllerAddress", controllerAddress.map { .string($0.description) } ?? .null),
      ("noAddress", noAddress.map { .string($0.description) } ?? .null),
    ]
  }

  /// The reservation for people.
  fileprivate var rows: [(name: String, figure: String)] {
    [
      ("token", token.description), ("key", Console.shown(key)), ("offset", "\(offset)"),
      ("length", Figures.counted(length, "byte")),
      (
        "address",
        address.map { "\($0) (\($0.source.rawValue))" } ?? noAddress?.description ?? "unknown"
      ),
    ] + (controllerAddress.map { [("controller address", "\($0) (\($0.source.rawValue))")] } ?? [])
  }
}
