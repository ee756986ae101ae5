import BenchSupport
import Foundation

extension Results.Machine {
  /// This machine, without what would tell which one it is.
  static func current() -> Self {
    let release = (try? String(contentsOfFile: "/etc/os-release", encoding: .utf8)) ?? ""
    let name = release.split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }?.dropFirst(12)
    let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? "unknown"
    return Self(
      processor: BenchSupport.processor(), threads: ProcessInfo.processInfo.activeProcessorCount,
      memoryGibibytes: Int((Double(ProcessInfo.processInfo.physicalMemory) / Double(1 << 30)).rounded()),
      system: name.map { $0.filter { $0 != "\"" } } ?? "unknown system",
      // The version alone: what follows it is whoever built it.
      kernel: String(kernel.prefix { $0.isNumber || $0 == "." }))
  }
}
