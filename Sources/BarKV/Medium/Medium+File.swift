import CBarKV
import CLibPMem
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Medium {
  /// Opens the file at `path` as a medium.
  ///
  /// - Throws: ``StoreError/noSuchStore(_:)``, ``StoreError/busy(path:owner:)``, ``StoreError/permissionDenied(_:)``,
  ///   ``StoreError/notAStore(_:)`` for what is no regular file or too short, ``StoreError/system(call:errno:)``.
  static func openFile(path: String, access: Access, options: StoreOptions) throws(StoreError) -> Medium {
    let descriptor = try MappedFile.open(path: path, access: access)
    return try map(descriptor, path: path, access: access, options: options)
  }

  /// Creates the file at `path`, `size` zero bytes, as a medium.
  static func createFile(
    path: String, size: Int, replacing: Bool, options: StoreOptions
  ) throws(StoreError) -> Medium {
    let descriptor = try MappedFile.create(path: path, size: size, replacing: replacing)
    return try map(descriptor, path: path, access: .readWrite, options: options)
  }

  /// Copies bytes of the region without mapping a page of it; whether that could be done. The kernel keeps what is read so
  /// and what is mapped the same.
  ///
  /// - Complexity: a system call, which takes a third of a page fault.
  @unsafe
  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) -> Bool {
    guard case .file(let file) = backing, file.hasSize, mirror == nil, let start = target.baseAddress else {
      return false
    }
    return unsafe pread(file.descriptor.rawValue, start, target.count, off_t(offset)) == target.count
  }

  private static func map(
    _ descriptor: FileDescriptor, path: String, access: Access, options: StoreOptions
  ) throws(StoreError) -> Medium {
    do throws(StoreError) {
      let length = try MappedFile.status(of: descriptor).size
      guard length >= lineSize else { throw .notAStore(path) }
      let mapping = try unsafe mapFile(descriptor, length: length, access: access)
      let simulated = options.simulatedDevice
      let persistence =
        simulated?.persistence
        ?? choosePersistence(
          descriptor: descriptor, length: length, access: access, isPMem: unsafe mapping.isPMem, asked: options.domain)
      unsafe barkv_dont_fork(mapping.base, length)
      let medium = unsafe Medium(
        base: mapping.base, length: length, isWritable: access == .readWrite, persistence: persistence,
        backing: .file(MappedFile(descriptor: descriptor, isMappedByLibPMem: mapping.isMappedByLibPMem)),
        sharesBarriers: persistence.domain == .fileSync || simulated != nil, observer: nil,
        barrierRead: simulated.map { BarrierRead(simulatedNanoseconds: $0.barrierNanoseconds) },
        mirror: simulated.flatMap { unsafe Mirror.make(of: mapping.base, length: length, simulating: $0, options) })
      do throws(StoreError) {
        try unsafe medium.loss.beginGuard(mapping.base, length: length, isWritable: access == .readWrite)
        try medium.startMirror()
      } catch {
        medium.mirror?.close()
        unsafe MediumLoss.endGuard(mapping.base)
        unsafe MappedFile.unmap(mapping.base, length: length, byLibPMem: mapping.isMappedByLibPMem)
        throw error
      }
      return medium
    } catch {
      barkv_close_on_fork_cancel(descriptor.rawValue)
      try? descriptor.close()
      throw error
    }
  }

  @unsafe
  private struct Mapping {
    var base: UnsafeMutableRawPointer
    var isMappedByLibPMem: Bool
    var isPMem: Bool
  }

  private static func mapFile(
    _ descriptor: FileDescriptor, length: Int, access: Access
  ) throws(StoreError) -> Mapping {
    if access == .readWrite {
      // libpmem maps by name; the descriptor's own name cannot be swapped for another file meanwhile. Only a mapping
      // that libpmem made itself can tell whether it is persistent memory.
      var mapped = 0
      var isPMem: Int32 = 0
      if let base = unsafe pmem_map_file(
        "/proc/self/fd/\(descriptor.rawValue)", 0, 0, 0, &mapped, &isPMem)
      {
        if mapped == length {
          return unsafe Mapping(base: base, isMappedByLibPMem: true, isPMem: isPMem != 0)
        }
        unsafe pmem_unmap(base, mapped)
      }
    }
    guard let base = unsafe barkv_map(descriptor.rawValue, length, access == .readWrite) else {
      throw .system(call: "mmap", errno: barkv_errno())
    }
    return unsafe Mapping(base: base, isMappedByLibPMem: false, isPMem: false)
  }

  /// Chooses the domain by the medium, and the level by what is known about it; never by hope.
  private static func choosePersistence(
    descriptor: FileDescriptor, length: Int, access: Access, isPMem: Bool, asked: StoreOptions.Domain
  ) -> Persistence {
    if asked == .processOnly {
      return Persistence(
        domain: .processOnly, level: .process, reason: "asked for: nothing is written back to the device")
    }
    let isInMemory = barkv_is_memory_file_system(descriptor.rawValue)
    let isForced = unsafe getenv("PMEM_IS_PMEM_FORCE").map { unsafe String(cString: $0) } == "1"
    let isDAX = barkv_is_dax(descriptor.rawValue, length)
    if isDAX && (isPMem || access == .readOnly) {
      return Persistence(
        domain: .cacheFlush, level: .persistent, reason: "the file is on DAX: a flush and a fence reach the medium")
    }
    if isPMem || (isForced && access == .readOnly) {
      return Persistence(
        domain: .cacheFlush, level: .process,
        reason: "PMEM_IS_PMEM_FORCE=1: caches are flushed as for persistent memory, which this file is not on")
    }
    if isInMemory {
      return Persistence(
        domain: .processOnly, level: .process, reason: "the file is on a file system in memory (tmpfs)")
    }
    return Persistence(
      domain: .fileSync, level: .persistent,
      reason: "a plain file: msync writes each barrier's range to the device")
  }
}
