import Foundation

/// Makes libpmem take tmpfs for persistent memory: it asks when it is first told about a mapping; a child inherits it.
public func forcePersistentMemory() {
  unsafe setenv("PMEM_IS_PMEM_FORCE", "1", 1)
}

/// Says on standard error what is going on.
public func note(_ text: String) {
  FileHandle.standardError.write(Data("\(text)\n".utf8))
}

/// The processor's name as the kernel tells it.
public func processor() -> String {
  let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
  let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
  let name = line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
  return name ?? "unknown processor"
}
