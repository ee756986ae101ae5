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

/// Gives the processor away for about that long.
func sleepFor(microseconds: UInt32) {
  usleep(microseconds)
}

/// Whether there is a file at `path`.
func fileExists(_ path: String) -> Bool {
  unsafe access(path, F_OK) == 0
}
