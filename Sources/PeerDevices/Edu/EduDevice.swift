import BarKV

/// QEMU's device for teaching, 1234:11e8, as a copying engine: it reads up to 4 KiB from the bus into a buffer of its own,
/// and writes from there to the bus.
///
/// The simplest peer there is, and one that moves small pieces, where disks move blocks. The device masks bus addresses
/// (`dma_mask`), silently, so ``open(_:probe:sysfs:)`` tries whether what it writes arrives.
///
/// One thread uses it.
public final class EduDevice {
  private let window: BarWindow
  /// The pieces that were moved over the bus, in and out.
  public private(set) var pieceCount = 0

  /// The most bytes of a piece: less than the 4096 of the buffer, all of which some versions of QEMU do not survive, and
  /// whole lines, so that no two writers share one.
  public static let pieceBytes = 4032
  /// A piece takes 100 ms of the machine's time.
  private static let pieceMilliseconds = 10_000

  private enum Register {
    static let identification = 0x00
    static let liveness = 0x04
    static let source = 0x80
    static let destination = 0x88
    static let count = 0x90
    static let command = 0x98
  }

  /// Where the device has its buffer, in its own addresses.
  private static let buffer: UInt64 = 0x40000
  private static let start: UInt64 = 1, toBus: UInt64 = 2

  /// Takes the device at `address`, and tries with memory of `probe` whether it reaches all bus addresses.
  ///
  /// - Throws: ``PeerError``.
  public static func open(
    _ address: PCIAddress, probe: DeviceMemory, sysfs: String = "/sys"
  ) throws(PeerError) -> EduDevice {
    let function = try PeerFunction.take(address, unbindingDriver: false, sysfs: sysfs)
    let device = EduDevice(try BarWindow(try function.bar(0), of: address))
    let identification = device.window.load32(Register.identification)
    guard identification != .max else { throw .gone("\(address)") }
    device.window.store32(0x5A5A_1234, at: Register.liveness)
    guard identification & 0xFF_FFFF == 0xED, device.window.load32(Register.liveness) == ~0x5A5A_1234 else {
      throw .unusable("\(address)", reason: "it is no edu device", remedy: nil)
    }
    try device.probe(probe, address)
    return device
  }

  private init(_ window: BarWindow) {
    self.window = window
  }

  /// Has a word go into the device and out again to another place.
  private func probe(_ memory: DeviceMemory, _ address: PCIAddress) throws(PeerError) {
    let piece = try memory.allocate(DeviceMemory.pageBytes)
    let word: UInt64 = 0x0123_4567_89AB_CDEF
    piece.store64(word, at: 0)
    piece.arrive()
    try move(from: piece.busAddress, to: Self.buffer, count: 8, command: Self.start)
    try move(from: Self.buffer, to: piece.busAddress + 64, count: 8, command: Self.start | Self.toBus)
    pieceCount = 0
    guard piece.load64(64) == word else {
      throw .unusable(
        "\(address)", reason: "it does not reach the bus address \(hex(piece.busAddress))",
        remedy: "give it dma_mask=0xffffffffffffffff")
    }
  }

  /// Copies bytes from one bus address to another, piece by piece.
  ///
  /// - Throws: ``PeerError/invalidRequest(_:)`` where the two lengths differ; ``PeerError/timedOut(_:milliseconds:)``, when
  ///   the device may still write.
  public func copy(from source: BusRange, to target: BusRange) throws(PeerError) {
    guard source.length == target.length else { throw .invalidRequest("source and target differ in length") }
    var done = 0
    while done < source.length {
      let count = min(Self.pieceBytes, source.length - done)
      try move(from: source.start + UInt64(done), to: Self.buffer, count: count, command: Self.start)
      try move(
        from: Self.buffer, to: target.start + UInt64(done), count: count, command: Self.start | Self.toBus)
      done += count
    }
  }

  /// Has the device read the last bytes of what it wrote: when they have come, what it wrote before has arrived.
  ///
  /// - Throws: ``PeerError/timedOut(_:milliseconds:)``, ``PeerError/gone(_:)``.
  public func readBack(_ target: BusRange) throws(PeerError) {
    let count = min(8, target.length)
    try move(
      from: target.start + UInt64(target.length - count), to: Self.buffer, count: count, command: Self.start)
  }

  private func move(from source: UInt64, to target: UInt64, count: Int, command: UInt64) throws(PeerError) {
    window.store64(source, at: Register.source)
    window.store64(target, at: Register.destination)
    window.store64(UInt64(count), at: Register.count)
    window.store64(command, at: Register.command)
    var deadline = Deadline(milliseconds: Self.pieceMilliseconds)
    while true {
      let state = window.load64(Register.command)
      guard state != .max else { throw .gone(window.name) }
      if state & Self.start == 0 { break }
      guard deadline.goesOn() else {
        throw .timedOut("a piece of \(count) bytes", milliseconds: deadline.milliseconds)
      }
    }
    pieceCount += 1
  }
}
