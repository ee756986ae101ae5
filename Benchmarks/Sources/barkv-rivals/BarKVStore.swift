import BarKV
import BenchSupport
import CRawLoops

/// BarKV through its public API.
struct BarKVStore: BenchStore {
  private let store: Store

  init(_ setup: Setup) throws {
    let address = StoreAddress(path: "\(setup.directory)/barkv")
    if setup.creates {
      var options = StoreOptions()
      // The pages are mapped before the clock starts, as those of the raw loop are.
      options.mapsWholeRegion = true
      store = try Store.create(at: address, size: Self.regionBytes(setup), options: options, replacing: true)
    } else {
      store = try Store.open(at: address)
    }
    guard store.persistence.domain == .cacheFlush else { throw RivalsError.wrongDomain(store.persistence.reason) }
  }

  /// Room for every record twice, for what a record wastes, and for the store's own structures.
  static func regionBytes(_ setup: Setup) -> Int {
    // From 4,000 bytes on a value has pages of its own.
    let record =
      setup.valueBytes < 4000
      ? crl_record_bytes(setup.valueBytes) + 64 : (setup.valueBytes + 4095) / 4096 * 4096 + 4096
    return setup.records * (2 * record + 64) + (128 << 20)
  }

  static let settings = """
    the region has room for every record twice, and 128 MiB; its pages are mapped before the clock starts \
    (StoreOptions.mapsWholeRegion); else the defaults
    durable: Store.put and delete, one barrier each (Store.put)
    fastest: deferred writes, persisted 1 MiB at a time (Durability.deferred); reads do not show them before that, so the \
    mixed works have no fastest mode
    """

  var isOrdered: Bool { false }
  var showsFastestWrites: Bool { false }

  func mediumBytes() throws -> Int {
    let statistics = store.statistics
    return Int(statistics.regionBytes - statistics.freeBytes)
  }

  func begin() throws -> BarKVSession { BarKVSession(store) }
  func settle() throws { try store.persist() }
  func close() throws { try store.close() }
}

/// One thread's use of BarKV: the store itself.
struct BarKVSession: BenchSession {
  private let store: Store
  private var mode = Mode.durable

  init(_ store: Store) {
    self.store = store
  }

  func put(_ number: UInt64, _ value: UnsafeRawBufferPointer) throws {
    let key = key(of: number)
    if mode == .durable {
      unsafe try store.put(value.bytes, for: key.span.bytes)
    } else {
      unsafe try store.put(value.bytes, for: key.span.bytes, durability: .deferred)
    }
  }

  func get(_ number: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int? {
    let key = key(of: number)
    return unsafe try store.withValue(of: key.span.bytes) { value in
      unsafe value.withUnsafeBytes { unsafe buffer.copyMemory(from: $0) }
      return value.byteCount
    }
  }

  func delete(_ number: UInt64) throws {
    let key = key(of: number)
    let found = unsafe try store.delete(key.span.bytes, durability: mode == .durable ? .immediate : .deferred)
    guard found else { throw RivalsError.wrongAnswer("BarKV: entry \(number) was not there to delete") }
  }

  func scan(_ number: UInt64, count: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    throw RivalsError.store("BarKV keeps no order")
  }

  mutating func setMode(_ mode: Mode) throws {
    try store.persist()
    self.mode = mode
  }

  func end() throws { try store.persist() }
}
