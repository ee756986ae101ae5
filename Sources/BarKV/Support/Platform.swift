import CBarKV
import Synchronization
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What an errno value means, in words.
func systemMessage(_ code: Int32) -> String {
  Errno(rawValue: code).description
}

/// The errno value for a lack of memory, or of room in a table.
var outOfMemoryCode: Int32 { ENOMEM }

/// Gives the processor away for about that long.
func sleepFor(microseconds: UInt32) {
  usleep(microseconds)
}

/// Lets at least that much time pass, and keeps the processor meanwhile, as a load from a slow device does.
func spin(nanoseconds: UInt64) {
  let began = monotonicNanoseconds()
  while monotonicNanoseconds() - began < nanoseconds { barkv_pause() }
}

/// Nanoseconds since some fixed moment; for durations.
func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Seconds since 1970, for people; nothing is decided by it.
func wallClockSeconds() -> UInt64 {
  UInt64(clamping: time(nil))
}

/// Stands for the time since the machine was started, as the kernel names it; 0 where it does not.
func bootIdentity() -> UInt64 {
  let digits = SmallFile.text("/proc/sys/kernel/random/boot_id")?.replacing("-", with: "").prefix(16)
  return digits.flatMap { UInt64($0, radix: 16) } ?? 0
}

/// How many processors this process may use.
func processorCount() -> Int {
  max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}

/// The calling process.
func processIdentifier() -> Int32 {
  getpid()
}

/// Cache-line-aligned zeroed memory; freed by `deallocate()`.
func allocateLines(bytes: Int) -> UnsafeMutableRawPointer {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: lineSize)
  unsafe memset(memory, 0, bytes)
  return unsafe memory
}

/// `count` atomic words that are zero, each at the start of `stride` words of its own; freed by `deallocate()`.
///
/// An atomic word of zeros is a zeroed word: nothing is initialized one by one.
func allocateAtomicWords(_ count: Int, stride: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
  unsafe allocateLines(bytes: count * stride * 8).bindMemory(to: Atomic<UInt64>.self, capacity: count * stride)
}

/// Zeroed memory, from the start of a line on; much of it takes up no memory until it is touched. Given back by
/// ``freeZeroed(_:bytes:)``.
func allocateZeroed(bytes: Int) -> UnsafeMutableRawPointer {
  guard bytes >= leastMappedBytes else { return unsafe allocateLines(bytes: bytes) }
  let memory = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { fatalError("no memory for \(bytes) bytes") }
  return unsafe memory
}

/// Gives back what ``allocateZeroed(bytes:)`` gave.
@unsafe
func freeZeroed(_ memory: UnsafeMutableRawPointer, bytes: Int) {
  if bytes >= leastMappedBytes {
    unsafe munmap(memory, bytes)
  } else {
    unsafe memory.deallocate()
  }
}

private let leastMappedBytes = 64 << 10
