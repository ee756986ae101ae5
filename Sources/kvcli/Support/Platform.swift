#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The few things of the C library that the commands need beyond what System offers.
enum Platform {
  /// Whether descriptor `descriptor` is a terminal.
  static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1
  }

  /// A monotonic time in nanoseconds; about 20 ns a call.
  @inline(__always)
  static func nanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Waits until `descriptor` can be read (or written): for descriptors that someone made non-blocking.
  static func wait(for descriptor: Int32, toWrite: Bool) {
    var entry = pollfd(fd: descriptor, events: Int16(toWrite ? POLLOUT : POLLIN), revents: 0)
    // An interrupted or failed wait needs no answer: the caller tries its read or write again and sees.
    _ = unsafe poll(&entry, 1, -1)
  }

  /// Sleeps for `milliseconds`.
  static func sleep(milliseconds: UInt32) {
    usleep(milliseconds * 1000)
  }

  /// Lets another thread run.
  static func yield() {
    sched_yield()
  }

  /// Whether `code` says that no space is left.
  static func meansNoSpace(_ code: Int32) -> Bool {
    code == ENOSPC || code == EDQUOT
  }

  /// Whether `code` says that a device failed.
  static func meansDeviceError(_ code: Int32) -> Bool {
    code == EIO || code == ENXIO || code == ENODEV
  }

  /// Removes the file at `path`; an error is of no interest.
  static func remove(_ path: String) {
    _ = unsafe unlink(path)
  }

  /// Fills descriptors 0 to 2 where the parent left them closed: the store would be opened as one of them otherwise, and a
  /// report written into it. Using such a stream stays an error, since each is opened for the wrong direction.
  static func reserveStandardStreams() {
    for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free descriptor is this one: those below it are open by now.
      _ = unsafe open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  /// Makes a write to a closed pipe an error of that write, so that a store in use is closed properly first.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
  }

  /// Ends the process the way a broken pipe ends every tool of a pipeline.
  static func endByBrokenPipe() -> Never {
    signal(SIGPIPE, SIG_DFL)
    raise(SIGPIPE)
    // Only where the signal is blocked; the status is the one a shell would show.
    _exit(128 + SIGPIPE)
  }

  /// Ends the process with `status`.
  static func exit(_ status: Int32) -> Never {
    #if canImport(Glibc)
      Glibc.exit(status)
    #elseif canImport(Musl)
      Musl.exit(status)
    #endif
  }
}
