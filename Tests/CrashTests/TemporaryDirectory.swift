#if canImport(Glibc)
  import Glibc
#endif

/// Where tests leave what a person may want to look at after a failure.
let temporaryDirectory = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"

func removeFile(_ path: String) {
  unsafe unlink(path)
}
