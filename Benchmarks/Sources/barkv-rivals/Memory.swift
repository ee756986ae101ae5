import CRivals
import Foundation

/// The bytes of this process's anonymous memory that are resident: without mappings of files, and so without a region or a
/// database in /dev/shm.
func residentAnonymousBytes() throws -> Int {
  crv_release_memory()
  let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
  guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("RssAnon:") }),
    let kibibytes = line.split(separator: " ").dropLast().last.flatMap({ Int($0) })
  else { throw RivalsError.results("the kernel does not tell RssAnon") }
  return kibibytes << 10
}
