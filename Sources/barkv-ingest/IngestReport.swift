import PeerDevices

/// What was moved, and by whom.
struct IngestReport {
  /// What this command is called.
  let title: String
  /// Values that were moved, and their bytes.
  var transfers = 0
  var payloadBytes = 0
  /// Commands that a device was given for them.
  var commands = 0
  /// Bytes of values that this process copied: those that it loaded from a place where a device had put them.
  var copiedBytes = 0
  /// Bytes that this process moved beside them: commands, lists of pages and answers in the queues.
  var queueBytes = 0
  /// Bytes that this process moved by calls of the kernel's read and write, as the kernel counts them.
  var kernelBytes: Int?
  /// Values of earlier runs whose places were set free.
  var released = 0

  /// Has `body` work with a disk, and counts what that moved.
  mutating func measure(
    _ device: DiskOptions, sysfs: String, _ body: (inout IngestReport, NVMeController, NVMeNamespace) throws -> Void
  ) throws {
    let kernel = KernelCount()
    try device.withDisk(sysfs: sysfs) { controller, namespace in
      try body(&self, controller, namespace)
      commands = controller.commandCount
      queueBytes = controller.memory.storedBytes + controller.memory.loadedBytes - copiedBytes
    }
    kernelBytes = kernel.bytes
  }

  var json: String {
    let kernel = kernelBytes.map { "\($0)" } ?? "null"
    return """
      {"transfers":\(transfers),"payloadBytes":\(payloadBytes),"commands":\(commands),"copiedBytes":\(copiedBytes),\
      "queueBytes":\(queueBytes),"kernelBytes":\(kernel),"released":\(released)}

      """
  }

  var text: String {
    let kernel = kernelBytes.map { "\($0)" } ?? "unknown"
    return """
      \(title) \(transfers) values, \(payloadBytes) bytes, by \(commands) commands
      through system memory   \(copiedBytes) bytes of values
      moved by the processor  \(queueBytes) bytes of commands, lists and answers; \(kernel) bytes by read and write calls
      released                \(released) places that earlier runs left

      """
  }
}
