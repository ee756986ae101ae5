import BenchSupport
import CRivals
import Foundation

/// Another store, through the interface in C.
@safe struct RivalStore: BenchStore, @unchecked Sendable {
  // Sendable: the calls are constants, and each thread uses the store through a session of its own.
  private let rival: UnsafePointer<crv_rival>
  private let store: UnsafeMutableRawPointer?
  private let directory: String

  /// All that are built in.
  static var all: [UnsafePointer<crv_rival>] {
    var count = 0
    guard let list = unsafe crv_rivals(&count) else { return unsafe [] }
    return unsafe (0..<count).compactMap { unsafe list[$0] }
  }

  init(_ setup: Setup) throws {
    let known = unsafe Self.all.first { unsafe String(cString: $0.pointee.identifier) == setup.store }
    guard let rival = unsafe known else { throw RivalsError.store("there is no store \(setup.store)") }
    unsafe self.rival = rival
    directory = setup.directory
    var pointer: UnsafeMutableRawPointer?
    try unsafe setup.directory.withCString { directory in
      var options = unsafe crv_options(
        directory: directory, records: UInt64(setup.records), value_bytes: UInt64(setup.valueBytes),
        threads: UInt32(setup.threads), create: setup.creates)
      try unsafe check(rival.pointee.open(&options, &pointer))
    }
    unsafe store = pointer
  }

  var isOrdered: Bool { unsafe rival.pointee.ordered }
  var showsFastestWrites: Bool { true }

  /// The blocks of all its files, which may be sparse.
  func mediumBytes() throws -> Int {
    guard let files = FileManager.default.enumerator(atPath: directory) else {
      throw RivalsError.store("no files are in \(directory)")
    }
    var blocks = 0
    for case let file as String in files {
      var status = stat()
      guard unsafe lstat("\(directory)/\(file)", &status) == 0 else {
        throw RivalsError.system(call: "lstat", errno: errno)
      }
      blocks += Int(status.st_blocks)
    }
    return blocks * 512
  }

  func begin() throws -> RivalSession {
    var session: UnsafeMutableRawPointer?
    try unsafe check(rival.pointee.begin(store, &session))
    return unsafe RivalSession(rival.pointee, session)
  }

  func settle() throws { try unsafe check(rival.pointee.settle(store)) }
  func close() throws { try unsafe check(rival.pointee.close(store)) }
}

/// One thread's use of another store: its calls, looked up once.
@safe struct RivalSession: BenchSession {
  private let calls: crv_rival
  private let session: UnsafeMutableRawPointer?

  init(_ calls: crv_rival, _ session: UnsafeMutableRawPointer?) {
    unsafe self.calls = calls
    unsafe self.session = session
  }

  func put(_ number: UInt64, _ value: UnsafeRawBufferPointer) throws {
    var key = key(of: number)
    try unsafe check(calls.put(session, &key, value.baseAddress, value.count))
  }

  func get(_ number: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int? {
    var key = key(of: number)
    var bytes = 0
    let answer = unsafe calls.get(session, &key, buffer.baseAddress, buffer.count, &bytes)
    if answer == crv_absent { return nil }
    try check(answer)
    return bytes
  }

  func delete(_ number: UInt64) throws {
    var key = key(of: number)
    let answer = unsafe calls.remove(session, &key)
    guard answer != crv_absent else { throw RivalsError.wrongAnswer("entry \(number) was not there to delete") }
    try check(answer)
  }

  func scan(_ number: UInt64, count: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var key = key(of: number)
    var found = 0
    try unsafe check(calls.scan(session, &key, count, buffer.baseAddress, buffer.count, &found))
    return found
  }

  mutating func setMode(_ mode: Mode) throws { try unsafe check(calls.set_mode(session, mode.code)) }
  func end() throws { try unsafe check(calls.end(session)) }
}

/// Throws what a call that failed had to say.
@inline(__always) private func check(_ answer: crv_answer) throws {
  guard answer == crv_done else { throw failure() }
}

@inline(never) private func failure() -> RivalsError {
  .store(unsafe String(cString: crv_message()))
}
