#define _GNU_SOURCE
#include "CBarKV.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int barkv_mirror_open(size_t length, struct barkv_mirror *mirror) {
  // Faults of the kernel as well: a reader may hand what it reads to a system call.
  int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (faults < 0) return errno;
  struct uffdio_api api = {.api = UFFD_API};
  void *memory = MAP_FAILED;
  int calls = -1, code = 0;
  if (ioctl(faults, UFFDIO_API, &api) != 0) goto failed;
  calls = eventfd(0, EFD_CLOEXEC);
  if (calls < 0) goto failed;
  memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) goto failed;
  // A page a fault: what is dropped, and what is filled, are pages.
  madvise(memory, length, MADV_NOHUGEPAGE);
  madvise(memory, length, MADV_DONTFORK);
  struct uffdio_register part = {
      .range = {.start = (uintptr_t)memory, .len = length}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (ioctl(faults, UFFDIO_REGISTER, &part) != 0) goto failed;
  *mirror = (struct barkv_mirror){.memory = memory, .faults = faults, .calls = calls};
  return 0;
failed:
  code = errno;
  if (memory != MAP_FAILED) munmap(memory, length);
  if (calls >= 0) close(calls);
  close(faults);
  return code;
}

void barkv_mirror_close(struct barkv_mirror *mirror, size_t length) {
  munmap(mirror->memory, length);
  close(mirror->calls);
  close(mirror->faults);
}

bool barkv_mirror_next(const struct barkv_mirror *mirror, uintptr_t *address) {
  struct pollfd sources[2] = {{.fd = mirror->faults, .events = POLLIN}, {.fd = mirror->calls, .events = POLLIN}};
  while (true) {
    if (poll(sources, 2, -1) < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return false;
    }
    // Faults first: whoever waits is served before anything else.
    struct uffd_msg message;
    if (sources[0].revents & POLLIN && read(mirror->faults, &message, sizeof message) == sizeof message) {
      if (message.event != UFFD_EVENT_PAGEFAULT) continue;
      *address = (uintptr_t)message.arg.pagefault.address;
      return true;
    }
    uint64_t count;
    if (sources[1].revents & POLLIN && read(mirror->calls, &count, sizeof count) == sizeof count) return false;
  }
}

void barkv_mirror_call(const struct barkv_mirror *mirror) {
  uint64_t one = 1;
  ssize_t written = write(mirror->calls, &one, sizeof one);
  (void)written;
}

int barkv_mirror_install(const struct barkv_mirror *mirror, size_t offset, const void *pages, size_t length) {
  size_t done = 0;
  while (done < length) {
    struct uffdio_copy copy = {.dst = (uintptr_t)mirror->memory + offset + done,
                               .src = (uintptr_t)pages + done,
                               .len = length - done};
    if (ioctl(mirror->faults, UFFDIO_COPY, &copy) == 0) return 0;
    // Some of it, when the mappings change meanwhile: again from there.
    if (copy.copy > 0) done += (size_t)copy.copy;
    if (errno != EAGAIN) return errno;
  }
  return 0;
}

void barkv_mirror_wake(const struct barkv_mirror *mirror, size_t offset, size_t length) {
  struct uffdio_range range = {.start = (uintptr_t)mirror->memory + offset, .len = length};
  ioctl(mirror->faults, UFFDIO_WAKE, &range);
}

int barkv_mirror_drop(const struct barkv_mirror *mirror, size_t offset, size_t length) {
  return madvise((char *)mirror->memory + offset, length, MADV_DONTNEED) == 0 ? 0 : errno;
}
